// Package sockets says where a process listens, as the kernel knows it. It is of Linux only.
package sockets

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A Socket is one on which a process takes what anybody sends: a listening TCP socket, or a UDP
// socket that is not connected.
type Socket struct {
	Network string // as package net names it: tcp4, tcp6, udp4 or udp6
	Addr    netip.AddrPort
}

// tables are the kernel's lists of sockets, and the state of those in each that take anything.
// Spec: Linux, Documentation/networking/proc_net_tcp.rst and include/net/tcp_states.h
var tables = []struct{ network, file, state string }{
	{"tcp4", "tcp", "0A"}, // TCP_LISTEN
	{"tcp6", "tcp6", "0A"},
	{"udp4", "udp", "07"}, // TCP_CLOSE, which means not connected here
	{"udp6", "udp6", "07"},
}

// Of returns the sockets on which the process with the given ID listens.
func Of(pid int) ([]Socket, error) {
	owned, err := inodes(pid)
	if err != nil {
		return nil, fmt.Errorf("sockets: %w", err)
	}
	var sockets []Socket
	for _, table := range tables {
		file, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, table.file))
		if os.IsNotExist(err) { // a kernel without IPv6
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("sockets: %w", err)
		}
		addrs, err := parse(file, table.state, owned)
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("sockets: %s: %w", file.Name(), err)
		}
		for _, addr := range addrs {
			sockets = append(sockets, Socket{table.network, addr})
		}
	}
	return sockets, nil
}

// inodes returns the numbers of all sockets that a process has open.
func inodes(pid int) (map[string]bool, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("process %d has no open files that we may see", pid)
	}
	owned := make(map[string]bool)
	for _, file := range files {
		target, err := os.Readlink(file)
		if os.IsNotExist(err) { // closed since
			continue
		}
		if err != nil {
			return nil, err
		}
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			owned[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return owned, nil
}

// The columns of a table that matter here.
const (
	columnLocal = 1
	columnState = 3
	columnInode = 9
)

// parse returns the local addresses of the sockets in a table that have the given state and an
// owned inode.
func parse(table io.Reader, state string, owned map[string]bool) ([]netip.AddrPort, error) {
	var addrs []netip.AddrPort
	lines := bufio.NewScanner(table)
	lines.Scan() // the headings
	for lines.Scan() {
		columns := strings.Fields(lines.Text())
		if len(columns) <= columnInode {
			return nil, fmt.Errorf("a line of %d columns: %.64q", len(columns), lines.Text())
		}
		if columns[columnState] != state || !owned[columns[columnInode]] {
			continue
		}
		addr, err := parseAddr(columns[columnLocal])
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	return addrs, lines.Err()
}

// parseAddr parses an address as the kernel prints it: in words of 32 bits, each in the
// machine's byte order, and then the port as a number.
func parseAddr(text string) (netip.AddrPort, error) {
	words, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(words)
	if err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("address %.64q", text)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil || !ok {
		return netip.AddrPort{}, fmt.Errorf("address %.64q", text)
	}
	return netip.AddrPortFrom(addr, uint16(number)), nil
}
