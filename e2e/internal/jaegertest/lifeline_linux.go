package jaegertest

import "syscall"

// lifeline makes the kernel end the child with its parent: a test that panics, as all do when
// their time is up, runs no cleanup.
//
// To the kernel the parent is the thread that forked. That thread has to live on.
func lifeline() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
