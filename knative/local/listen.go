package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// listenFor opens the listener of a service.
func (s *stack) listenFor(name string, o options) (net.Listener, error) {
	switch {
	case name == deadLetters:
		return listen("--dead-letters", o.deadLetters)
	case s.deployment.services[name].public():
		return listen("--listen", o.listen)
	}
	return listen(name, "127.0.0.1:0")
}

// listen listens on address, the value of an option.
func listen(option, address string) (net.Listener, error) {
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		return nil, fmt.Errorf("%s is %q; expected HOST:PORT, such as 127.0.0.1:8080", option, address)
	}
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use by another program; "+
			"choose another address with %s, or any free port with %[2]s 127.0.0.1:0", address, option)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	return listener, nil
}

// reachable returns an address of the listener that works in every browser on this machine.
func reachable(listener net.Listener) string {
	address := listener.Addr().(*net.TCPAddr)
	if address.IP.IsUnspecified() { // some browsers do not open that
		return net.JoinHostPort("localhost", strconv.Itoa(address.Port))
	}
	return address.String()
}
