package service

import (
	"encoding/json"
	"net"
	"net/http"

	"github.com/meshtrace/meshtrace/benchmarks/internal/process"
)

// person is what the service behind the service answers.
type person struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Email  string `json:"email"`
	Joined string `json:"joined"`
}

// serveProfiles is the service behind the service, which nobody traces. It answers "url" with its
// address.
func serveProfiles() (process.Answer, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /profiles/{id}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(person{r.PathValue("id"), "Ada Lovelace", "ada@example.com", "1843-07-10"}) // who asked is gone
	})
	url, err := listen(mux)
	if err != nil {
		return nil, err
	}
	return func(question string) (any, error) {
		if question == "url" {
			return url, nil
		}
		return process.Unknown(question)
	}, nil
}

// listen serves h on a free port of the loopback interface until the process ends, and returns
// the URL.
func listen(h http.Handler) (url string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go http.Serve(listener, h)
	return "http://" + listener.Addr().String(), nil
}
