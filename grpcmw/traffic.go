package grpcmw

import (
	"sync/atomic"

	"github.com/meshtrace/meshtrace/internal/global"
)

// traffic is what a call has sent and received so far. Both may happen at the same time.
type traffic struct {
	sent, received tally
	events         atomic.Int64 // how many messages wanted to be one
}

// tally counts the messages in one direction.
type tally struct{ messages, bytes atomic.Int64 }

// A message is one that was counted.
type message struct {
	number     int64 // in its direction, from 1
	bytes      int   // unknownSize if nobody told
	compressed int   // bytes, as they were sent
}

// unknownSize is the size of a message that an interceptor saw: only the codec knows it.
const unknownSize = -1

// count adds a message, whose number it returns.
func (t *tally) count(m message) message {
	if m.bytes > 0 {
		t.bytes.Add(int64(m.bytes))
	}
	m.number = t.messages.Add(1)
	return m
}

// send counts a message that was sent.
func (t *traffic) send(span global.Span, m message, events int) {
	t.show(span, messageSent, t.sent.count(m), events)
}

// receive counts a message that was received.
func (t *traffic) receive(span global.Span, m message, events int) {
	t.show(span, messageReceived, t.received.count(m), events)
}

// show makes a message an event of the span, if it is among the first ones.
func (t *traffic) show(span global.Span, direction string, m message, events int) {
	if events > 0 && span.Span != nil && t.events.Add(1) <= int64(events) {
		addMessage(span.Span, direction, m)
	}
}
