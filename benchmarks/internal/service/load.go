package service

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/meshtrace/meshtrace/benchmarks/internal/process"
)

// connections is how many connections the load keeps busy.
const connections = 8

// target is where the load goes.
type target struct{ URL string }

// newLoad is the load. It takes a number for a question, sends that many requests, and answers
// when all are answered.
func newLoad(to target) (process.Answer, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	return func(question string) (any, error) {
		requests, err := strconv.Atoi(question)
		if err != nil {
			return process.Unknown(question)
		}
		var wg sync.WaitGroup
		errs := make([]error, connections)
		for i := range errs {
			share := requests / connections
			if i < requests%connections {
				share++
			}
			wg.Go(func() { errs[i] = send(client, to.URL+"/users/42", share) })
		}
		wg.Wait()
		return nil, errors.Join(errs...)
	}, nil
}

// send sends n requests one after the other.
func send(client *http.Client, url string, n int) error {
	for range n {
		r, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		r.Header.Set("Accept", "application/json")
		r.Header.Set("X-Forwarded-For", "203.0.113.7")
		r.Header.Set("L5d-Client-Id", "frontend.default.serviceaccount.identity.linkerd.cluster.local")
		r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close() // it has been read
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK || len(body) == 0 {
			return fmt.Errorf("load: %s: %.64q", resp.Status, body)
		}
	}
	return nil
}
