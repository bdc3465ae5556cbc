// Package usage reads what a process has used: CPU time and memory, of all its threads.
package usage

import (
	"runtime"
	"syscall"
	"time"
)

// Usage is what a process used, since it started or between two readings.
type Usage struct {
	CPU    time.Duration // user and system time of all threads
	Allocs uint64        // objects that any goroutine allocated
	Bytes  uint64        // in those objects
}

// Now returns what this process has used since it started. It stops the world for a moment.
func Now() Usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Usage{CPU: cpu(), Allocs: m.Mallocs, Bytes: m.TotalAlloc}
}

// Since returns what this process has used since the reading before.
func Since(before Usage) Usage {
	now := Now()
	return Usage{
		CPU:    now.CPU - before.CPU,
		Allocs: now.Allocs - before.Allocs,
		Bytes:  now.Bytes - before.Bytes,
	}
}

// cpu returns the process's CPU time. The call cannot fail: who and the address are right.
func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
