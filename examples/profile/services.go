package main

// The three services, as their authors would write them.

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/meshtrace/meshtrace"
	"github.com/meshtrace/meshtrace/examples/profile/profilepb"
	"github.com/meshtrace/meshtrace/grpcmw"
	"github.com/meshtrace/meshtrace/httpmw"
)

type user struct{ Name, Motto string }

// startTracing is what the main function of each service begins with. NoGlobals is for this
// program alone: three services share its process, so each must be given its own tracing.
func startTracing(ctx context.Context, service string, s settings) (*meshtrace.Tracing, error) {
	return meshtrace.Start(ctx, meshtrace.Config{
		Service:    service,
		Endpoint:   s.endpoint,
		Sampler:    s.sampler,
		Propagator: s.propagator,
		NoGlobals:  true,
	})
}

// serve makes every request to a service a span: httpmw.Wrap(next), where there is one service.
func serve(tracing *meshtrace.Tracing, next http.Handler) http.Handler {
	return httpmw.New(httpmw.Config{TracerProvider: tracing.TracerProvider(), Propagator: tracing.Propagator()}).Wrap(next)
}

// newClient makes every call of a service a span below the request for which it is made:
// httpmw.NewTransport(network, httpmw.ClientConfig{}), where there is one service.
func newClient(tracing *meshtrace.Tracing, network http.RoundTripper) *http.Client {
	cfg := httpmw.ClientConfig{TracerProvider: tracing.TracerProvider(), Propagator: tracing.Propagator()}
	return &http.Client{Transport: httpmw.NewTransport(network, cfg)}
}

// newServer makes every call to a service a span: grpc.NewServer(grpcmw.Server(grpcmw.Config{})),
// where there is one service.
func newServer(tracing *meshtrace.Tracing) *grpc.Server {
	return grpc.NewServer(grpcmw.Server(grpcmw.Config{TracerProvider: tracing.TracerProvider(), Propagator: tracing.Propagator()}))
}

// connect makes every call on a connection a span below the request for which it is made:
// grpc.NewClient(name, grpcmw.Client(grpcmw.ClientConfig{}), …), where there is one service.
func connect(tracing *meshtrace.Tracing, network *network, name string) (*grpc.ClientConn, error) {
	cfg := grpcmw.ClientConfig{TracerProvider: tracing.TracerProvider(), Propagator: tracing.Propagator()}
	return network.connect(name, grpcmw.Client(cfg))
}

// frontend shows a user's page.
func frontend(tracing *meshtrace.Tracing, network http.RoundTripper) http.Handler {
	client := newClient(tracing, network)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /profile/{id}", func(w http.ResponseWriter, r *http.Request) {
		if sc := trace.SpanContextFromContext(r.Context()); sc.IsSampled() {
			w.Header().Set("Trace-Id", sc.TraceID().String()) // for whoever asks what happened
		}
		var u user
		if err := fetch(r.Context(), client, "http://user-service/users/"+r.PathValue("id"), &u); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprintf(w, "%s: %s\n", u.Name, u.Motto)
	})
	return serve(tracing, mux)
}

// userService knows the users, and asks for what they say of themselves.
func userService(tracing *meshtrace.Tracing, profiles profilepb.ProfileServiceClient) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		profile, err := profiles.GetProfile(r.Context(), &profilepb.GetProfileRequest{UserId: id})
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(user{Name: fmt.Sprintf("user %d", id), Motto: profile.Motto})
	})
	return serve(tracing, mux)
}

// profileService knows the profiles.
type profileService struct {
	profilepb.UnimplementedProfileServiceServer
	fail bool // it has lost every other one
}

func newProfileService(tracing *meshtrace.Tracing, fail bool) *grpc.Server {
	server := newServer(tracing)
	profilepb.RegisterProfileServiceServer(server, profileService{fail: fail})
	return server
}

func (s profileService) GetProfile(_ context.Context, r *profilepb.GetProfileRequest) (*profilepb.Profile, error) {
	if s.fail && r.UserId%2 == 1 {
		return nil, status.Error(codes.DataLoss, "the profile is lost")
	}
	return &profilepb.Profile{Motto: fmt.Sprintf("I am number %d", r.UserId)}, nil
}

// fetch decodes the answer to a GET request into v.
func fetch(ctx context.Context, client *http.Client, url string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d", req.URL.Host, resp.StatusCode)
	}
	return json.NewDecoder(resp.Body).Decode(v)
}
