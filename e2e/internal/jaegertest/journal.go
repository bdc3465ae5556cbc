package jaegertest

import (
	"bytes"
	"sync"
)

// A journal keeps what a process writes, and says when it has written a mark. It is safe for
// concurrent use.
type journal struct {
	mark   string
	marked chan struct{} // closed when the text contains mark

	mu   sync.Mutex
	text bytes.Buffer
	seen bool
}

func newJournal(mark string) *journal {
	return &journal{mark: mark, marked: make(chan struct{})}
}

// Write appends p. It never fails.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text.Write(p)
	if !j.seen && bytes.Contains(j.text.Bytes(), []byte(j.mark)) {
		j.seen = true
		close(j.marked)
	}
	return len(p), nil
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
