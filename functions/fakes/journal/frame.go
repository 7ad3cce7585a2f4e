package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// A frame is the effects of one command: the length of what follows its head, the CRC-32C of that, the time in Unix
// milliseconds, and commands, each a number of strings. Lengths and numbers are varints but for the head's.
const (
	headLength = 8
	// maxFrame is more than any command has.
	maxFrame = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func frame(now time.Time, commands [][]string) []byte {
	content := make([]byte, headLength, 256)
	content = binary.AppendVarint(content, now.UnixMilli())
	content = binary.AppendUvarint(content, uint64(len(commands)))
	for _, command := range commands {
		content = binary.AppendUvarint(content, uint64(len(command)))
		for _, argument := range command {
			content = binary.AppendUvarint(content, uint64(len(argument)))
			content = append(content, argument...)
		}
	}
	binary.LittleEndian.PutUint32(content, uint32(len(content)-headLength))
	binary.LittleEndian.PutUint32(content[4:], crc32.Checksum(content[headLength:], castagnoli))
	return content
}

// errDamaged is the cause if a file is not as a Journal left it.
var errDamaged = errors.New("the file is damaged")

// errTorn is the cause if the last frame was not written as a whole: its command had no answer.
var errTorn = errors.New("the last frame is not whole")

// replay runs the commands of a file. It changes nothing if there is none.
func replay(path string, redis *miniredis.Miniredis) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	peer, input := server.NewPeer(bufio.NewWriter(io.Discard)), bufio.NewReader(file)
	c := &clock{server: redis}
	for {
		now, commands, err := readFrame(input)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, errTorn):
			c.moveTo(time.Now())
			redis.SetTime(time.Time{}) // that of the machine
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", path, err)
		}
		c.moveTo(now)
		for _, command := range commands {
			redis.Server().Dispatch(peer, command)
		}
	}
}

// readFrame returns io.EOF at the end of the file.
func readFrame(input *bufio.Reader) (now time.Time, commands [][]string, err error) {
	head := make([]byte, headLength)
	if _, err := io.ReadFull(input, head); err != nil {
		return now, nil, torn(err)
	}
	length := binary.LittleEndian.Uint32(head)
	if length > maxFrame {
		return now, nil, errDamaged
	}
	content := make([]byte, length)
	if _, err := io.ReadFull(input, content); err != nil {
		if errors.Is(err, io.EOF) {
			err = errTorn
		}
		return now, nil, torn(err)
	}
	if crc32.Checksum(content, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		if _, err := input.Peek(1); errors.Is(err, io.EOF) {
			return now, nil, errTorn
		}
		return now, nil, errDamaged
	}
	return decode(content)
}

func torn(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return err
}

func decode(content []byte) (now time.Time, commands [][]string, err error) {
	milliseconds, n := binary.Varint(content)
	if n <= 0 {
		return now, nil, errDamaged
	}
	d := decoder{content[n:]}
	count := d.number()
	for range count {
		command := make([]string, d.number())
		for i := range command {
			command[i] = d.text()
		}
		if len(command) == 0 {
			return now, nil, errDamaged
		}
		commands = append(commands, command)
	}
	return time.UnixMilli(milliseconds), commands, nil
}

// decoder reads a frame, whose checksum is right. A number that its rest is too short for is 0.
type decoder struct{ rest []byte }

func (d *decoder) number() int {
	number, n := binary.Uvarint(d.rest)
	d.rest = d.rest[max(n, 0):]
	if number > uint64(len(d.rest)) {
		return 0
	}
	return int(number)
}

func (d *decoder) text() string {
	length := d.number()
	text := string(d.rest[:length])
	d.rest = d.rest[length:]
	return text
}
