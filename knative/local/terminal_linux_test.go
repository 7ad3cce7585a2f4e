package main

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a pseudo terminal.
func openTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	connection, err := master.SyscallConn() // master.Fd() would have reads ignore deadlines
	if err != nil {
		t.Fatal(err)
	}
	var number int
	var unlocked, numbered error
	err = connection.Control(func(fd uintptr) {
		unlocked = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		number, numbered = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
	})
	if err := errors.Join(err, unlocked, numbered, master.SetReadDeadline(time.Now().Add(2*time.Minute))); err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, terminal
}

// A person sees a line for each request and each result, and no others. The summary is on the terminal, too.
func TestTerminal(t *testing.T) {
	t.Parallel()
	master, terminal := openTerminal(t)
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), childArguments+"=--listen 127.0.0.1:0", "LOG_LEVEL=", "LOG_FORMAT=",
		"MINIO_ENDPOINT=", "REDIS_HOST=", "KAFKA_BOOTSTRAP_SERVERS=")
	process.Stdout, process.Stderr = terminal, terminal
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close() // the process has it: when it ends, reading fails with EIO
	t.Cleanup(func() { _ = process.Process.Kill(); _ = process.Wait() })
	lines := bufio.NewScanner(master)
	await := func(pattern string) []string {
		t.Helper()
		for lines.Scan() {
			line := strings.TrimRight(lines.Text(), "\r")
			if found := regexp.MustCompile(pattern).FindStringSubmatch(line); found != nil {
				return found
			}
		}
		t.Fatalf("the output ended, want a line %s: %v", pattern, lines.Err())
		return nil
	}
	url := await(`^  Page +(http://\S+)$`)[1]
	await(`^Press Ctrl-C`)

	photo := bytes.NewReader(photo(t, imaging, "branches.jpg"))
	mustGet(t, url+"/health")
	answer, err := http.Post(url+"/upload", "image/jpeg", photo)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	var seen []string
	for len(seen) < 2 && lines.Scan() {
		seen = append(seen, strings.TrimRight(lines.Text(), "\r"))
	}
	all := strings.Join(seen, "\n")
	for _, want := range []string{
		`(?m)^POST   /upload +200 +\d+\.\d [kM]B +\d+(\.\d)? m?s$`,
		`(?m)^image  [0-9a-f]{8}… completed  200x133 JPEG \d+(\.\d)? m?s$`,
	} {
		if !regexp.MustCompile(want).MatchString(all) {
			t.Errorf("got %q, want a line %s", all, want)
		}
	}
}

// --open runs the system's opener with the page's address. Without a browser the program runs on, and says so.
func TestOpen(t *testing.T) {
	folder := t.TempDir()
	opened := filepath.Join(folder, "opened")
	for name, test := range map[string]struct{ opener, wantStderr string }{
		"opens":     {"printf '%s' \"$1\" >" + opened, ""},
		"fails":     {"exit 4", "image-service: xdg-open: exit status 4; open http://"},
		"not there": {"", `image-service: xdg-open: exec: "xdg-open": executable file not found in $PATH; open http://`},
	} {
		t.Run(name, func(t *testing.T) {
			programs := t.TempDir()
			if test.opener != "" {
				script := "#!/bin/sh\n" + test.opener + "\n"
				if err := os.WriteFile(filepath.Join(programs, "xdg-open"), []byte(script), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", programs)
			c := run(t, nil, "--listen", "127.0.0.1:0", "--open")
			page := regexp.MustCompile(`http://\S+`).FindString(c.stdout.String())
			if test.wantStderr == "" {
				eventually(t, "the page is opened", func() bool {
					got, err := os.ReadFile(opened)
					return !errors.Is(err, os.ErrNotExist) && string(got) == page
				})
			} else {
				c.stderr.await(t, test.wantStderr+strings.TrimPrefix(page, "http://")+" yourself\n")
			}
			mustGet(t, page+"/health")
		})
	}
}
