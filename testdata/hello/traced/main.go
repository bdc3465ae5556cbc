// Traced is bare, and traced on both sides.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/meshtrace/meshtrace"
	"github.com/meshtrace/meshtrace/httpmw"
)

func main() {
	tracing, err := meshtrace.Start(context.Background(), meshtrace.Config{Service: "hello"})
	if err != nil {
		log.Fatal(err)
	}
	defer tracing.Shutdown(context.Background())
	http.DefaultClient.Transport = httpmw.NewTransport(nil, httpmw.ClientConfig{})

	log.Print(http.ListenAndServe(":8080", httpmw.Wrap(http.HandlerFunc(hello))))
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, "hello")
}
