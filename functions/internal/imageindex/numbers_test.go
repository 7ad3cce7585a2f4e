package imageindex

import (
	"errors"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// An answer that is not one of the script is an error that says so.
func TestNumbers(t *testing.T) {
	t.Parallel()
	answer := func(value any, err error) *redis.Cmd { return redis.NewCmdResult(value, err) }
	if got, err := numbers(answer([]any{int64(1), int64(0)}, nil), 2); len(got) != 2 || err != nil {
		t.Errorf("got %v, %v; want two numbers", got, err)
	}
	down := errors.New("down")
	if _, err := numbers(answer(nil, down), 2); !errors.Is(err, down) {
		t.Errorf("got %v, want the error of Redis", err)
	}
	_, err := numbers(answer([]any{int64(1)}, nil), 2)
	if err == nil || !strings.Contains(err.Error(), "got 1 numbers") {
		t.Errorf("got %v, want an error that says what is wrong", err)
	}
}
