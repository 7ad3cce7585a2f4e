package journal

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// chunk is how many members of a key one command has.
const chunk = 100

// restoring returns the commands that restore a key. They are one frame, so that a key never lacks its expiry.
func restoring(db *miniredis.RedisDB, key string) (commands [][]string, err error) {
	switch kind := db.Type(key); kind {
	case "string":
		commands, err = oneCommand(db.Get, key)
	case "hash":
		commands, err = restoringHash(db, key)
	case "set":
		commands, err = inChunks("SADD", key, db.Members)
	case "list":
		commands, err = inChunks("RPUSH", key, db.List)
	case "zset":
		commands, err = restoringSortedSet(db, key)
	case "": // it has expired
	default:
		err = fmt.Errorf("a key of type %s cannot be kept", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", key, err)
	}
	if life := db.TTL(key); life > 0 && len(commands) > 0 {
		commands = append(commands, []string{"PEXPIRE", key, strconv.FormatInt(max(life.Milliseconds(), 1), 10)})
	}
	return commands, nil
}

func oneCommand(get func(string) (string, error), key string) ([][]string, error) {
	value, err := get(key)
	return [][]string{{"SET", key, value}}, err
}

// inChunks returns commands with all members of a key.
func inChunks(command, key string, members func(string) ([]string, error)) (commands [][]string, err error) {
	all, err := members(key)
	for part := range slices.Chunk(all, chunk) {
		commands = append(commands, append([]string{command, key}, part...))
	}
	return commands, err
}

func restoringHash(db *miniredis.RedisDB, key string) ([][]string, error) {
	return inChunks("HSET", key, func(string) (pairs []string, err error) {
		fields, err := db.HKeys(key)
		for _, field := range fields {
			pairs = append(pairs, field, db.HGet(key, field))
		}
		return pairs, err
	})
}

func restoringSortedSet(db *miniredis.RedisDB, key string) ([][]string, error) {
	return inChunks("ZADD", key, func(string) (pairs []string, err error) {
		scores, err := db.SortedSet(key)
		for member, score := range scores {
			pairs = append(pairs, strconv.FormatFloat(score, 'g', -1, 64), member)
		}
		return pairs, err
	})
}

// tick is how exact expiry is, as in package fakes.
const tick = time.Second

// clock lets the keys of a server expire as they did when the commands ran.
type clock struct {
	server *miniredis.Miniredis
	now    time.Time
}

// moveTo moves the clock forward. Time that went backwards is as if none had passed.
func (c *clock) moveTo(now time.Time) {
	switch passed := now.Sub(c.now); {
	case c.now.IsZero():
		c.now = now
	case passed >= tick:
		c.server.FastForward(passed)
		c.now = now
	}
	c.server.SetTime(now)
}
