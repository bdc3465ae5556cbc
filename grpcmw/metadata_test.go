package grpcmw_test

import (
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/grpcmw"
)

func TestNewMetadata(t *testing.T) {
	tests := []struct {
		rule  string
		names []string
		err   string // a part of it; "" for none
	}{
		{"letters, digits, dashes, dots and underscores", []string{"tenant", "x-request-id", "a.b_c", "T1"}, ""},
		{"none", nil, ""},
		{"an empty name", []string{""}, "want letters"},
		{"a pseudo-header", []string{":authority"}, "want letters"},
		{"a space", []string{"tenant id"}, "want letters"},
		{"what is no ASCII", []string{"ténant"}, "want letters"},
		{"binary metadata", []string{"trace-BIN"}, "it is binary"},
		{"credentials", []string{"Authorization"}, "it holds credentials"},
		{"what is named as credentials", []string{"x-api-key"}, "it holds credentials"},
		{"tokens", []string{"x-goog-iam-authorization-token"}, "it holds credentials"},
		{"cookies, as gateways send them", []string{"cookie"}, "it holds credentials"},
		{"a long name is cut", []string{strings.Repeat("é", 1000)}, strings.Repeat("é", 32) + `"`},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			_, err := grpcmw.NewMetadata(tt.names...)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("NewMetadata(%q): error %v, want %q", tt.names, err, tt.err)
			}
		})
	}
}

func TestNewMetadataNamesAllMistakes(t *testing.T) {
	_, err := grpcmw.NewMetadata("tenant", "cookie", "b@d", "c-bin")
	for _, name := range []string{"cookie", "b@d", "c-bin"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v does not name %q", err, name)
		}
	}
	if strings.Contains(err.Error(), "tenant") {
		t.Errorf("error %v", err)
	}
}
