package exporter_test

import (
	"bytes"
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"github.com/meshtrace/meshtrace/exporter"
)

// Writes that come while one is under way become one, in their order.
func TestPipePutsWritesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := net.Pipe()
		p := exporter.NewPipe(conn)
		defer p.Close()
		var want []byte
		for i := range 100 {
			frame := bytes.Repeat([]byte{byte(i)}, i)
			if n, err := p.Write(frame); n != i || err != nil {
				t.Fatal(n, err)
			}
			want = append(want, frame...)
			synctest.Wait() // the first is under way now
		}
		var got []byte
		buf := make([]byte, len(want))
		reads := 0
		for ; len(got) < len(want); reads++ {
			n, err := peer.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, buf[:n]...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("read %x, want %x", got, want)
		}
		if reads != 2 {
			t.Errorf("%d writes, want one and what came meanwhile", reads)
		}
	})
}

// A peer that does not read costs bounded memory, and Close ends a Write that waits.
func TestPipeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := net.Pipe()
		p := exporter.NewPipe(conn)
		frame := make([]byte, 16<<10)
		taken, ended := 0, make(chan error)
		go func() {
			for {
				n, err := p.Write(frame)
				if taken += n; err != nil {
					ended <- err
					return
				}
			}
		}()
		synctest.Wait()
		if taken > 1100<<10 { // two buffers, and a frame
			t.Errorf("%d bytes were taken", taken)
		}
		p.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write ended with %v", err)
		}
	})
}

var errMute = errors.New("mute")

// mute is a connection that can only be read.
type mute struct{ net.Conn }

func (mute) Write([]byte) (int, error) { return 0, errMute }

// A connection that fails says so to the next Write, and to the reader.
func TestPipeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := net.Pipe()
		p := exporter.NewPipe(mute{conn})
		read := make(chan error)
		go func() {
			_, err := p.Read(make([]byte, 1))
			read <- err
		}()
		if _, err := p.Write([]byte("frame")); err != nil {
			t.Error(err) // nobody knows yet
		}
		synctest.Wait()
		if _, err := p.Write([]byte("frame")); !errors.Is(err, errMute) {
			t.Errorf("Write: %v", err)
		}
		if err := <-read; err == nil {
			t.Error("Read has no error")
		}
		p.Close()
	})
}
