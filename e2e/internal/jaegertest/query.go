package jaegertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// A Query asks Jaeger's query service. It is safe for concurrent use.
//
// Its answers are what the store holds, which the query service's own repairs (of clock skew,
// of IDs that are there twice) have not touched. Jaeger's store in memory may answer wrongly
// while spans of the same trace arrive; ask when their sender is done.
type Query struct {
	base string
}

// NewQuery returns a client of the query service that speaks HTTP at addr, a host:port.
func NewQuery(addr string) *Query {
	return &Query{base: "http://" + addr}
}

// Trace returns the spans of the trace with the given ID, in no order. There are none if Jaeger
// does not know the trace.
func (q *Query) Trace(ctx context.Context, id string) ([]Span, error) {
	return q.spans(ctx, "/api/v3/traces/"+url.PathEscape(id), url.Values{"raw_traces": {"true"}})
}

// AwaitTrace asks for the trace with the given ID until it has n spans, and returns them. It is
// for senders that get no answer; if ctx is done first, the error says how many spans there were.
func (q *Query) AwaitTrace(ctx context.Context, id string, n int) ([]Span, error) {
	var spans []Span
	err := poll(ctx, func() (bool, error) {
		latest, err := q.Trace(ctx, id)
		if err == nil {
			spans = latest
		}
		return len(spans) >= n, err
	})
	if err != nil {
		return nil, fmt.Errorf("jaegertest: trace %s has %d spans, want %d: %w", id, len(spans), n, err)
	}
	return spans, nil
}

// Traces returns all traces with a span of the given service, by their IDs. An empty service is
// any service. It fails if there may be more traces than Jaeger keeps.
func (q *Query) Traces(ctx context.Context, service string) (map[string][]Span, error) {
	always := [2]time.Time{time.Unix(0, 0), time.Unix(1<<33, 0)}
	spans, err := q.spans(ctx, "/api/v3/traces", url.Values{
		"query.service_name":   {service},
		"query.start_time_min": {always[0].UTC().Format(time.RFC3339)},
		"query.start_time_max": {always[1].UTC().Format(time.RFC3339)},
		"query.num_traces":     {strconv.Itoa(maxTraces)},
		"query.raw_traces":     {"true"},
	})
	if err != nil {
		return nil, err
	}
	traces := make(map[string][]Span)
	for _, s := range spans {
		traces[s.TraceID] = append(traces[s.TraceID], s)
	}
	if len(traces) == maxTraces {
		return nil, fmt.Errorf("jaegertest: %d traces or more: the oldest may be gone", maxTraces)
	}
	return traces, nil
}

// Services returns the names of all services that Jaeger has seen, sorted.
func (q *Query) Services(ctx context.Context) ([]string, error) {
	var answer struct{ Services []string }
	if _, err := q.ask(ctx, "/api/v3/services", nil, &answer); err != nil {
		return nil, err
	}
	slices.Sort(answer.Services)
	return answer.Services, nil
}

// spans asks for traces and returns the spans of all of them.
func (q *Query) spans(ctx context.Context, path string, params url.Values) ([]Span, error) {
	var answer struct{ Result json.RawMessage }
	found, err := q.ask(ctx, path, params, &answer)
	if err != nil || !found {
		return nil, err
	}
	return parseSpans(answer.Result)
}

// ask reads what the query service says at path into answer, unless it has found nothing.
func (q *Query) ask(ctx context.Context, path string, params url.Values, answer any) (found bool, err error) {
	address := q.base + path + "?" + params.Encode()
	status, body, err := get(ctx, address)
	switch {
	case err != nil:
		return false, fmt.Errorf("jaegertest: %w", err)
	case status == http.StatusNotFound:
		return false, nil
	case status != http.StatusOK:
		return false, fmt.Errorf("jaegertest: get %q: status %d: %.64q", address, status, body)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return false, fmt.Errorf("jaegertest: get %q: %w", address, err)
	}
	return true, nil
}

// get returns the status and the body that the server at address answers with.
func get(ctx context.Context, address string) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}
