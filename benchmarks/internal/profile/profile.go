// Package profile writes CPU profiles of what is measured.
package profile

import (
	"errors"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
)

// Profile is a CPU profile of this process. Without a file it does nothing.
type Profile struct {
	File string

	open *os.File
}

// Start starts the profile, unless it has started.
func (p *Profile) Start() error {
	if p.File == "" || p.open != nil {
		return nil
	}
	f, err := os.Create(p.File)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	p.open = f
	return nil
}

// Stop writes what the profile has gathered.
func (p *Profile) Stop() error {
	if p.open == nil {
		return nil
	}
	pprof.StopCPUProfile()
	return p.open.Close()
}

// File names the file in dir for a row and a contender. Without a directory there is no file.
func File(dir, row, contender string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, strings.ReplaceAll(row, "/", ",")+",lib="+contender+".pprof")
}
