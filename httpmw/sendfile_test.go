package httpmw_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
)

// watchedListener's connections note from what they are asked to read. A TCP connection that is
// asked to read from a file has the kernel's sendfile do it.
type watchedListener struct {
	net.Listener
	from []string
}

func (l *watchedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &receiver{conn.(*net.TCPConn), &l.from}, nil
}

// TestSendfile checks that a file reaches the connection as a file, and that its bytes are counted.
func TestSendfile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), make([]byte, long), 0o600); err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(dir))
	send := func(t *testing.T, h http.Handler) []string {
		s := httptest.NewUnstartedServer(h)
		l := &watchedListener{Listener: s.Listener}
		s.Listener = l
		s.Start()
		get(t, s.Client(), request(t, "GET", s.URL+"/file"))
		s.Close()
		return l.from
	}
	without := send(t, files)
	if want := []string{"*io.LimitedReader of *os.File"}; !cmp.Equal(without, want) {
		t.Fatalf("net/http does it otherwise now: %v, want %v", without, want)
	}
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		if with := send(t, httpmw.New(httpmw.Config{TracerProvider: tp}).Wrap(files)); !cmp.Equal(with, without) {
			t.Errorf("read from %v, without us from %v", with, without)
		}
		checkAttrs(t, attrs(spans.one(t)), map[string]string{"http.response.body.size": strconv.Itoa(long)})
	})
}
