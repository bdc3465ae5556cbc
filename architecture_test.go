package meshtrace_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/meshtrace/meshtrace"

// What a package may import beside the standard library: packages of ours by their path, others
// by their module or, where a single package is meant, by its path too.
var (
	api  = []string{"go.opentelemetry.io/otel", "go.opentelemetry.io/otel/metric", "go.opentelemetry.io/otel/trace"}
	sdk  = with(api, "go.opentelemetry.io/otel/sdk")
	grpc = with(api, "google.golang.org/grpc")
	wire = with(sdk, "google.golang.org/protobuf/encoding/protowire", "github.com/apache/thrift", "github.com/klauspost/compress")

	anything = []string{"..."}
)

// layers are the packages, and the one direction in which data flows: siblings meet at
// OpenTelemetry's interfaces, and only the root package and the examples wire them.
//
// An internal package has no row: what it imports counts as imported by whoever imports it, so
// that nothing gets around the table that way.
var layers = []struct {
	dir string // and what is below it
	may []string
}{
	{"propagation", api},
	{"sampler", sdk},
	{"span", sdk},
	{"exporter", wire},
	{"httpmw", with(api, module+"/propagation")},
	{"grpcmw", with(grpc, module+"/propagation")},
	{"tracez", sdk},
	{"examples", anything},
	{".", with(sdk, module+"/propagation", module+"/sampler", module+"/span", module+"/exporter", module+"/httpmw")},
}

// double stands in for the mesh, in tests and examples, and is no part of the library.
const double = module + "/internal/linkerd"

func with(paths []string, more ...string) []string {
	return append(slices.Clone(paths), more...)
}

func TestPackagesImportWhatTheirLayerMay(t *testing.T) {
	known := list(t, "-deps", "./...")
	for _, p := range known {
		if p.module() != module || isBelow(p.dir(), "internal") {
			continue
		}
		t.Run(p.dir(), func(t *testing.T) {
			may, ok := layerOf(p)
			if !ok {
				t.Fatal("no row says what this package may import")
			}
			for path := range imports(known, p.ImportPath) {
				allowed := slices.Contains(may, path) || slices.Contains(may, known[path].module())
				if !allowed && !slices.Equal(may, anything) {
					t.Errorf("imports %s", path)
				}
			}
		})
	}
}

func layerOf(p listed) (may []string, ok bool) {
	for _, l := range layers {
		if isBelow(p.dir(), l.dir) {
			return l.may, true
		}
	}
	return nil, false
}

// imports returns what a package imports beside the standard library, itself or through our
// internal packages.
func imports(known map[string]listed, path string) map[string]bool {
	all := make(map[string]bool)
	for _, path := range known[path].Imports {
		switch p := known[path]; {
		case p.Standard:
		case isBelow(path, module+"/internal") && path != double:
			maps.Copy(all, imports(known, path))
		default:
			all[path] = true
		}
	}
	return all
}

// A program pays for what it imports. grpc-go and the protobuf runtime are what the usual
// exporters bring; protobuf's wire format alone is a few functions.
func TestTracingHTTPLinksNeitherGRPCNorProtobuf(t *testing.T) {
	linked := list(t, "-deps", ".", "./httpmw")
	for _, root := range []string{
		"google.golang.org/grpc",
		"google.golang.org/protobuf/proto",
		"google.golang.org/protobuf/reflect/protoreflect",
		"google.golang.org/protobuf/internal/impl",
	} {
		for path := range linked {
			if isBelow(path, root) {
				t.Errorf("links %s", path)
			}
		}
	}
}

func TestTracingHTTPAddsLittleToABinary(t *testing.T) {
	const limitBytes = 3_000_000
	out := t.TempDir()
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", out, "./testdata/hello/bare", "./testdata/hello/traced")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, text)
	}
	bare, traced := size(t, filepath.Join(out, "bare")), size(t, filepath.Join(out, "traced"))
	t.Logf("bare %d bytes, traced %d bytes: %d more, of at most %d", bare, traced, traced-bare, limitBytes)
	if traced-bare > limitBytes {
		t.Errorf("tracing adds %d bytes, want at most %d", traced-bare, limitBytes)
	}
}

func size(t *testing.T, file string) int64 {
	t.Helper()
	stat, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return stat.Size()
}

// listed is a package as go list prints it. Tests are left out: they may import anything.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Module     *struct{ Path string }
}

func (p listed) module() string {
	if p.Module == nil {
		return ""
	}
	return p.Module.Path
}

// dir returns the directory of a package of ours, relative to the module's root, and its import
// path for any other.
func (p listed) dir() string {
	if p.ImportPath == module {
		return "."
	}
	return strings.TrimPrefix(p.ImportPath, module+"/")
}

func isBelow(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// list returns what go list says, by import path.
func list(t *testing.T, args ...string) map[string]listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Imports,Module"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, &stderr)
	}
	packages := make(map[string]listed)
	for in := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		switch err := in.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages
		case err != nil:
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
	}
}
