package jaegertest_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/e2e/internal/jaegertest"
)

// fakes are programs in Jaeger's place: what this test program does, instead of testing, when it
// is run under one of these names.
var fakes = map[string]func(){
	"healthy":   serveHealth,
	"unhealthy": serveUnhealthy,
	"unlucky":   func() { failOnce(); serveHealth() },
	"hapless":   portTaken,
	"broken":    func() { exit("unknown setting") },
	"hanging":   func() { select {} },
	"careless":  leaveChild, // not a Jaeger, but a user of one
}

func TestMain(m *testing.M) {
	if play, ok := fakes[filepath.Base(os.Args[0])]; ok {
		play()
	}
	os.Exit(m.Run())
}

// fake returns the path of an executable that plays the fake of the given name.
func fake(t *testing.T, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func serveHealth() {
	serve(http.StatusOK)
}

func serveUnhealthy() {
	serve(http.StatusServiceUnavailable)
}

var healthEndpoint = regexp.MustCompile(`healthcheckv2:\s+use_v2: true\s+http:\s+endpoint: (\S+)`)

func serve(status int) {
	config, err := os.ReadFile(strings.TrimPrefix(os.Args[2], "file:"))
	if err != nil {
		exit(err)
	}
	found := healthEndpoint.FindSubmatch(config)
	if found == nil {
		exit("no health endpoint in the configuration")
	}
	l, err := net.Listen("tcp4", string(found[1]))
	if err != nil {
		exit(err)
	}
	fmt.Println("Everything is ready. Begin running and processing data.")
	exit(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
	})))
}

// failOnce ends the first process of this executable.
func failOnce() {
	mark, err := os.OpenFile(os.Args[0]+".failed", os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		mark.Close()
		portTaken()
	}
}

func portTaken() {
	exit("cannot start pipelines: listen tcp 127.0.0.1:4318: bind: address already in use")
}

// leaveChild starts the executable that it is told, and ends without closing it.
func leaveChild() {
	server, err := jaegertest.Start(context.Background(), os.Args[1])
	if err != nil {
		exit(err)
	}
	fmt.Print(server.Endpoints.Health)
	os.Exit(0)
}

func exit(why any) {
	fmt.Println(why)
	os.Exit(1)
}
