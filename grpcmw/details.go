package grpcmw

import (
	"fmt"

	"google.golang.org/grpc/status"
)

const (
	maxDetails     = 8    // of a status
	maxDetailBytes = 1024 // of the text of one
)

// details returns the details of a status as texts: what kind of message, and what it says.
func details(st *status.Status) []string {
	if st == nil {
		return nil
	}
	var texts []string
	for i, detail := range st.Proto().GetDetails() {
		if i == maxDetails {
			break
		}
		text := string(detail.MessageName())
		if m, err := detail.UnmarshalNew(); err == nil {
			text = fmt.Sprintf("%s{%v}", text, m)
		}
		texts = append(texts, cut(text, maxDetailBytes))
	}
	return texts
}
