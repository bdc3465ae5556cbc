// Compare prints, as a table in Markdown, what tracing costs with meshtrace and with what is used
// in its place, side by side in one run.
//
//	go run ./compare                          everything, about two minutes
//	go run ./compare -rows '^server' -rounds 3
//	go run ./compare -list
//
// Each figure is measured in a process of its own. The contenders take turns, in as many rounds
// as -rounds says, and the table has the medians: a machine is never quiet.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/meshtrace/meshtrace/benchmarks/internal/measure"
	"github.com/meshtrace/meshtrace/benchmarks/internal/process"
	"github.com/meshtrace/meshtrace/benchmarks/internal/receiver"
	"github.com/meshtrace/meshtrace/benchmarks/internal/service"
)

func main() {
	process.Main(roles())
	cfg, list := parseFlags()
	if list {
		for _, r := range rows(cfg) {
			fmt.Println(r.name)
		}
		return
	}
	if err := compare(os.Stdout, os.Stderr, cfg); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// roles are what this program plays in processes of their own.
func roles() map[string]process.Role {
	all := map[string]process.Role{
		receiver.RoleName: receiver.Role,
		measure.RoleName:  measure.Role,
	}
	for name, role := range service.Roles {
		all[name] = role
	}
	return all
}

// config says what is compared, and how long it takes.
type config struct {
	rows     *regexp.Regexp // by name; nil: all
	rounds   int
	time     time.Duration // of one measurement
	requests int           // to the whole service, in one measurement
	profiles string        // directory for CPU profiles of what is measured; "": none are taken
}

func parseFlags() (cfg config, list bool) {
	rows := flag.String("rows", "", "measure the rows whose names match this regular expression")
	flag.IntVar(&cfg.rounds, "rounds", 11, "how often each contender is measured; the table has the medians")
	flag.DurationVar(&cfg.time, "time", 100*time.Millisecond, "how long one measurement takes")
	flag.IntVar(&cfg.requests, "requests", 2000, "how many requests the whole service gets in one measurement")
	flag.StringVar(&cfg.profiles, "profiles", "", "write a CPU profile of each row and contender into this directory")
	flag.BoolVar(&list, "list", false, "print the names of the rows, and end")
	flag.Parse()
	var err error
	if cfg.rows, err = regexp.Compile(*rows); err != nil {
		err = fmt.Errorf("-rows: %w", err)
	} else if cfg.rounds < 1 || cfg.time <= 0 || cfg.requests < 1 {
		err = fmt.Errorf("-rounds %d, -time %v, -requests %d: must be positive", cfg.rounds, cfg.time, cfg.requests)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(2)
	}
	return cfg, list
}

// compare measures and prints the table. Progress goes to log.
func compare(out, log io.Writer, cfg config) error {
	spans, err := receiver.Start()
	if err != nil {
		return err
	}
	defer spans.Close()
	started := time.Now()
	var done []outcome
	for _, r := range rows(cfg) {
		fmt.Fprintf(log, "%4.0fs %s\n", time.Since(started).Seconds(), r.name)
		o, err := r.measure(cfg.rounds, spans)
		if err != nil {
			return err
		}
		done = append(done, o)
	}
	if err := writeTable(out, done); err != nil {
		return err
	}
	return writeFooter(out, cfg, done, time.Since(started))
}
