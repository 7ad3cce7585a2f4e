// Package journal keeps the state of a miniredis in a file, as Redis does with appendonly: a command that changes
// something is in the file before its client has the answer, so that a killed process loses nothing; the file is on the
// disk a second later, as with appendfsync everysec. Scripts are kept as the commands that they ran.
package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

const (
	// rewriteSize is the least size in bytes of a file that is replaced by one with only the state.
	rewriteSize = 16 << 20
	// rewriteGrowth is how often the state must fit into such a file.
	rewriteGrowth = 4
	syncInterval  = time.Second
)

// unlogged are commands that change no key. Scripts are kept as what they run, and EXEC as what was queued.
var unlogged = set("HELLO", "AUTH", "PING", "ECHO", "QUIT", "SELECT", "CLIENT", "COMMAND", "INFO", "SUBSCRIBE",
	"UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "PUBLISH", "PUBSUB", "SCRIPT", "EVAL", "EVALSHA", "EVAL_RO",
	"EVALSHA_RO", "TIME", "MULTI", "EXEC", "DISCARD", "UNWATCH", "CLUSTER", "MEMORY", "OBJECT", "WAIT")

// refused are commands that wait for others, or whose effect depends on others; the service uses none of them.
var refused = set("WATCH", "BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "XREAD",
	"XREADGROUP")

func set(names ...string) map[string]bool {
	s := map[string]bool{}
	for _, name := range names {
		s[name] = true
	}
	return s
}

// A Journal is the file of a server.
type Journal struct {
	server  *miniredis.Miniredis
	path    string
	clients sync.Map // *server.Peer; scripts have peers of their own, which are not in it
	running atomic.Pointer[server.Peer]

	change  sync.Mutex // held while a command of a client runs; guards what follows
	effects [][]string // of that command
	queued  map[*server.Peer][][]string
	file    *os.File
	size    int64 // of the file
	base    int64 // of the file when it had only the state
	behind  bool  // the file lacks something: it could not be written
	unsaved bool  // the disk lacks something

	stop chan struct{}
	done chan struct{}
}

// Open gives a new server the state in a file, which may be missing, and keeps its changes there until Close. No client
// may have connected before.
func Open(path string, redis *miniredis.Miniredis) (*Journal, error) {
	if err := replay(path, redis); err != nil {
		return nil, err
	}
	j := &Journal{
		server: redis, path: path, queued: map[*server.Peer][][]string{},
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	if err := j.rewrite(); err != nil {
		return nil, err
	}
	redis.Server().SetPreHook(j.handle)
	go j.syncRegularly()
	return j, nil
}

// Close has everything on the disk. No client may be connected.
func (j *Journal) Close() error {
	close(j.stop)
	<-j.done
	return errors.Join(j.sync(), j.file.Close())
}

// handle runs before each command, and runs those of clients itself. It reports whether the command is done.
func (j *Journal) handle(peer *server.Peer, command string, arguments ...string) bool {
	switch {
	case !j.isClient(peer):
		j.note(command, arguments)
		return false
	case j.running.Load() == peer:
		return false
	case refused[command]:
		peer.WriteError("ERR a Redis that keeps its data does not support " + command)
		return true
	}
	j.change.Lock()
	defer j.change.Unlock()
	j.running.Store(peer)
	defer j.running.Store(nil)
	j.run(peer, command, arguments)
	return true
}

// isClient reports whether a peer is a connection: the peer of a script has a context before its first command.
func (j *Journal) isClient(peer *server.Peer) bool {
	if _, known := j.clients.Load(peer); known {
		return true
	}
	if peer.Ctx != nil {
		return false
	}
	j.clients.Store(peer, true)
	peer.OnDisconnect(func() {
		j.clients.Delete(peer)
		j.change.Lock()
		defer j.change.Unlock()
		delete(j.queued, peer)
	})
	return true
}

// note adds a command to the effects of the one that runs, if it changes anything.
func (j *Journal) note(command string, arguments []string) {
	if !unlogged[command] && !j.server.Server().IsReadOnlyCommand(command) {
		j.effects = append(j.effects, append([]string{command}, arguments...))
	}
}

// run runs a command of a client and writes its effects.
func (j *Journal) run(peer *server.Peer, command string, arguments []string) {
	j.effects = nil
	queue, inTransaction := j.queued[peer]
	switch {
	case command == "MULTI":
		j.queued[peer] = [][]string{}
	case command == "EXEC":
		j.effects = queue
		delete(j.queued, peer)
	case command == "DISCARD":
		delete(j.queued, peer)
	default:
		j.note(command, arguments)
		if inTransaction {
			j.queued[peer], j.effects = append(queue, j.effects...), nil
		}
	}
	j.server.Server().Dispatch(peer, append([]string{command}, arguments...))
	if len(j.effects) > 0 {
		j.write(j.effects)
	}
}

// write appends effects to the file. If that fails, the next write writes the whole state.
func (j *Journal) write(effects [][]string) {
	var err error
	if full := j.size > max(rewriteSize, rewriteGrowth*j.base); j.behind || full {
		err = j.rewrite()
	} else {
		err = j.append(effects)
	}
	if err != nil {
		slog.Error("redis_state_not_kept", "file.path", j.path, "error.message", err.Error())
		j.behind = true
	}
}

func (j *Journal) append(effects [][]string) error {
	n, err := j.file.Write(frame(time.Now(), effects))
	j.size += int64(n)
	j.unsaved = true
	return err
}

// rewrite replaces the file by one with only the state.
func (j *Journal) rewrite() error {
	next, err := os.OpenFile(j.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	size, err := writeState(next, j.server)
	if err == nil {
		err = next.Sync()
	}
	if err == nil {
		err = os.Rename(j.path+".new", j.path)
	}
	if err != nil {
		next.Close()
		return err
	}
	if j.file != nil {
		j.file.Close()
	}
	j.file, j.size, j.base, j.behind, j.unsaved = next, size, size, false, true
	return nil
}

func writeState(file io.Writer, redis *miniredis.Miniredis) (size int64, err error) {
	buffered := bufio.NewWriter(file)
	for _, key := range redis.DB(0).Keys() {
		commands, err := restoring(redis.DB(0), key)
		if err != nil {
			return 0, err
		}
		n, err := buffered.Write(frame(time.Now(), commands))
		if err != nil {
			return 0, err
		}
		size += int64(n)
	}
	return size, buffered.Flush()
}

func (j *Journal) syncRegularly() {
	defer close(j.done)
	ticker := time.NewTicker(syncInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := j.sync(); err != nil {
				slog.Error("redis_state_not_kept", "file.path", j.path, "error.message", err.Error())
			}
		case <-j.stop:
			return
		}
	}
}

// sync has the file on the disk. Commands wait for it only if they run at the same moment.
func (j *Journal) sync() error {
	j.change.Lock()
	defer j.change.Unlock()
	if !j.unsaved {
		return nil
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("sync the state of redis: %w", err)
	}
	j.unsaved = false
	return nil
}
