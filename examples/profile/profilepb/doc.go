// Package profilepb is the profile-service's gRPC interface, generated from profile.proto.
//
// To generate it again, have protoc 35.1 or later in the PATH, and what go install installs, and run
// go generate.
package profilepb

//go:generate go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
//go:generate go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
//go:generate protoc -I. --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative profile.proto
