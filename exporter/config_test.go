package exporter_test

import (
	"strings"
	"testing"
	"time"

	"github.com/meshtrace/meshtrace/exporter"
)

func TestConfigIsRefused(t *testing.T) {
	for _, tt := range []struct {
		rule string
		cfg  exporter.Config
		want []string // lines, in their order
	}{
		{"negative", exporter.Config{
			Timeout: -1, Batch: exporter.Batch{MaxSpans: -1, MaxBytes: -2, MaxAge: -3}, Queue: exporter.Queue{MaxBytes: -4, InFlight: -5},
			Retry: exporter.Retry{Initial: -6, Max: -7},
		}, []string{
			`exporter: Timeout "-1ns": must be positive`,
			`exporter: Batch.MaxSpans "-1": must be positive`,
			`exporter: Batch.MaxBytes "-2": must be from 16384 to 1073741824`,
			`exporter: Batch.MaxAge "-3ns": must be positive`,
			`exporter: Queue.InFlight "-5": must be from 1 to 1024`,
			`exporter: Queue.MaxBytes "-4": must be at least 4 * Batch.MaxBytes * Queue.InFlight = 40`,
			`exporter: Retry.Initial "-6ns": must be positive`,
			`exporter: Retry.Max "-7ns": must not be less than Retry.Initial`,
		}},
		{"too little", exporter.Config{
			Batch: exporter.Batch{MaxBytes: 16<<10 - 1}, Queue: exporter.Queue{MaxBytes: 8<<20 - 1},
		}, []string{`exporter: Batch.MaxBytes "16383": must be from 16384 to 1073741824`}},
		{"too small a queue", exporter.Config{Queue: exporter.Queue{MaxBytes: 8<<20 - 1}}, []string{
			`exporter: Queue.MaxBytes "8388607": must be at least 4 * Batch.MaxBytes * Queue.InFlight = 8388608`,
		}},
		{"too much", exporter.Config{Batch: exporter.Batch{MaxBytes: 1<<30 + 1}, Queue: exporter.Queue{InFlight: 1025}}, []string{
			`exporter: Batch.MaxBytes "1073741825": must be from 16384 to 1073741824`,
			`exporter: Queue.InFlight "1025": must be from 1 to 1024`,
		}},
		{"a longest pause below the first", exporter.Config{Retry: exporter.Retry{Initial: 2, Max: 1}}, []string{
			`exporter: Retry.Max "1ns": must not be less than Retry.Initial`,
		}},
		{"unknown compression", exporter.Config{Compression: "snappy"}, []string{`exporter: Compression "snappy": must be none or gzip`}},
		{"headers", exporter.Config{Headers: map[string]string{"": "a", "b c": "d", "E": "secret\r\nX: y", "f\n": "g", "h": "1", "H": "2", "i": "\x7f"}}, []string{
			`exporter: Headers key "": must be an HTTP token`,
			`exporter: Headers value of key "E": must not hold control characters`,
			`exporter: Headers key "b c": must be an HTTP token`,
			`exporter: Headers key "f\n": must be an HTTP token`,
			`exporter: Headers key "h": must not be there twice`,
			`exporter: Headers value of key "i": must not hold control characters`,
		}},
		{"metadata", exporter.Config{Endpoint: "grpc://example.com", Headers: map[string]string{
			"": "a", "b!": "c", "d e": "f", "Grpc-Timeout": "1S", "x": "é", "Y": "tab\t", "z": "1", "Z": "2", "any-bin": "\x00\n",
		}}, []string{
			`exporter: Headers key "": must be of letters, digits, "-", "_" and ".", and not begin with grpc-`,
			`exporter: Headers key "Grpc-Timeout": must be of letters, digits, "-", "_" and ".", and not begin with grpc-`,
			`exporter: Headers value of key "Y": must be printable ASCII`,
			`exporter: Headers key "b!": must be of letters, digits, "-", "_" and ".", and not begin with grpc-`,
			`exporter: Headers key "d e": must be of letters, digits, "-", "_" and ".", and not begin with grpc-`,
			`exporter: Headers value of key "x": must be printable ASCII`,
			`exporter: Headers key "z": must not be there twice`,
		}},
		{"everything at once", exporter.Config{Endpoint: "udp://x", Headers: map[string]string{"": ""}, Compression: "x", Timeout: -time.Second}, []string{
			`exporter: Endpoint "udp://x": the scheme must be one of grpc, grpcs, http, https, jaeger+grpc, jaeger+grpcs, jaeger+http, jaeger+https`,
			`exporter: Compression "x": must be none or gzip`,
			`exporter: Timeout "-1s": must be positive`,
			`exporter: Headers key "": must be an HTTP token`,
		}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			e, err := exporter.New(tt.cfg)
			if e != nil || err == nil {
				t.Fatalf("an exporter was made; error %v", err)
			}
			if want := strings.Join(tt.want, "\n"); err.Error() != want {
				t.Errorf("got\n%v\nwant\n%s", err, want)
			}
			if same := tt.cfg.Validate(); same == nil || same.Error() != err.Error() {
				t.Errorf("Validate says %v", same)
			}
		})
	}
}

func TestConfigIsTaken(t *testing.T) {
	for _, tt := range []struct {
		rule string
		cfg  exporter.Config
	}{
		{"the zero value", exporter.Config{}},
		{"the least", exporter.Config{
			Timeout: 1, Batch: exporter.Batch{MaxSpans: 1, MaxBytes: 16 << 10, MaxAge: 1},
			Queue: exporter.Queue{MaxBytes: 64 << 10, InFlight: 1}, Retry: exporter.Retry{Initial: 1, Max: 1},
		}},
		{"a large batch makes a large queue", exporter.Config{Batch: exporter.Batch{MaxBytes: 100 << 20}}},
		{"a late first try makes a later last one", exporter.Config{Retry: exporter.Retry{Initial: time.Hour}}},
		{"headers", exporter.Config{Headers: map[string]string{"X-Key": "a b\tc é", "Empty": ""}}},
		{"metadata", exporter.Config{Endpoint: "jaeger+grpc://example.com", Headers: map[string]string{"X-Key_1.a": "a ~", "Any-BIN": "\x00é\n", "Empty": ""}}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			var c collector
			tt.cfg.Transport = &c
			e, err := exporter.New(tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			e.Shutdown(t.Context())
		})
	}
}
