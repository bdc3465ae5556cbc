package jaegertest

import (
	_ "embed"
	"fmt"
	"net"
	"os"
	"text/template"
)

// maxTraces is how many traces a Jaeger keeps, and so how many one question may find.
const maxTraces = 10_000

//go:embed config.yaml
var configText string

var configTemplate = template.Must(template.New("config.yaml").Funcs(template.FuncMap{
	"host":      func(addr string) (string, error) { host, _, err := net.SplitHostPort(addr); return host, err },
	"port":      func(addr string) (string, error) { _, port, err := net.SplitHostPort(addr); return port, err },
	"maxTraces": func() int { return maxTraces },
}).Parse(configText))

// writeConfig writes the configuration of a Jaeger that listens on e, and nowhere else, to a file.
func writeConfig(path string, e Endpoints) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("jaegertest: %w", err)
	}
	defer f.Close()
	if err := configTemplate.Execute(f, e); err != nil {
		return fmt.Errorf("jaegertest: %w", err)
	}
	return f.Close()
}
