package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

const (
	// Expiry is how long Redis remembers a status. It is the original system's.
	Expiry = time.Hour

	dialTimeout   = 2 * time.Second
	answerTimeout = 2 * time.Second
	// How long the store may take to say more of a status than Redis does.
	lookTimeout = 500 * time.Millisecond
)

// Settings say where Redis is, and as whom it is reached.
type Settings struct {
	Address            string
	Username, Password string          // of an ACL user; without a name, of the default one
	TLS                *connect.Dialer // nil for plain TCP
}

// Settings of Redis; package connect has those of TLS.
var (
	redisHost = config.Text{Name: "REDIS_HOST", Required: true,
		Form: config.Form{Expected: "the name or address of a host, without a port", Valid: config.IsHost},
		Doc:  "Host name of Redis."}
	redisPort = config.Int{Name: "REDIS_PORT", Default: 6379, Min: 1, Max: 65535,
		Doc: "Port of Redis."}
	redisUsername = config.Text{Name: "REDIS_USERNAME",
		Doc: "Name of an ACL user of Redis. Without it, `REDIS_PASSWORD` is that of the default user."}
	// Without a password, the client would log in as the default user.
	redisPassword = config.Text{Name: "REDIS_PASSWORD", RequiredWith: redisUsername, Secret: true,
		Form: config.Form{Expected: "the password of a Redis user"},
		Doc:  "Password of the Redis user."}
)

// ReadSettings reads REDIS_*.
func ReadSettings(r *config.Reader) Settings {
	host, port := redisHost.Read(r), redisPort.Read(r)
	return Settings{
		Address:  net.JoinHostPort(host, strconv.FormatInt(port, 10)),
		Username: redisUsername.Read(r),
		Password: redisPassword.Read(r),
		TLS:      connect.ReadRedis(r),
	}
}

// A Board has the status of every image. Its methods are safe for use by several goroutines; their errors are faults
// of Redis or MinIO that may pass.
type Board struct {
	redis *redis.Client
	store *imagestore.Store

	announced announced
}

// Open makes no connection: a function starts, and stays up, without Redis. The store is what a status that Redis has
// forgotten is rebuilt from.
func Open(settings Settings, store *imagestore.Store) *Board {
	options := &redis.Options{
		Addr:                  settings.Address,
		Username:              settings.Username,
		Password:              settings.Password,
		DialTimeout:           dialTimeout,
		ReadTimeout:           answerTimeout,
		WriteTimeout:          answerTimeout,
		ContextTimeoutEnabled: true,
		MaxRetries:            1,
		DialerRetries:         1,    // or a Redis that is away takes ten seconds to tell
		DisableIdentity:       true, // a connection is made when somebody waits for it; its name is not worth two commands
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled, // of Redis Enterprise
		},
	}
	if settings.TLS != nil {
		options.Dialer = settings.TLS.DialContext
	}
	return &Board{store: store, redis: redis.NewClient(options)}
}

// go-redis writes lines of its own to standard error, beside the log. What they say is in the errors that it returns.
func init() { redis.SetLogger(silence{}) }

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// Close lets go of Redis, once it was told what is announced.
func (b *Board) Close() error {
	b.announced.wait.Wait()
	return b.redis.Close()
}

// Check asks whether Redis answers.
func (b *Board) Check(ctx context.Context) error {
	if err := b.redis.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping redis: %w", err)
	}
	return nil
}

func key(imageID string) string { return "image:status:" + imageID }

// forward sets a status unless the one that is there is as far or farther. It returns the state and the status that
// were there. Redis runs a script as one step, so however many tell at once, a status never goes back and the first final
// one stays.
const forward = `
local function forward(key, state, text, expiry)
  local rank = {queued = 1, processing = 2, completed = 3, failed = 3}
  local before = redis.call('GET', key)
  local known, status = pcall(cjson.decode, before or '{}')
  local there = known and type(status) == 'table' and status.status
  if not rank[there] or rank[there] < rank[state] then redis.call('SET', key, text, 'EX', expiry) end
  return there, before
end
`

var advance = redis.NewScript(forward + `
local _, before = forward(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
return before
`)

// Advance moves an image on to the status next, in one round trip, and returns the status that was there before; nil
// if Redis knew none. If that was as far as next, or farther, it stays.
func (b *Board) Advance(ctx context.Context, next Status) (before *Status, err error) {
	text, err := json.Marshal(next)
	if err != nil {
		return nil, fmt.Errorf("write status of %s: %w", next.ImageID, err)
	}
	answer, err := advance.Run(ctx, b.redis, []string{key(next.ImageID)}, string(next.State), text, int(Expiry.Seconds())).Text()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("write status of %s: %w", next.ImageID, err)
	}
	return parse(answer), nil
}

// told is what Redis has as an image's status, "" if it has nothing.
func (b *Board) told(ctx context.Context, imageID string) (string, error) {
	text, err := b.redis.Get(ctx, key(imageID)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read status of %s: %w", imageID, err)
	}
	return text, nil
}

// Conclude tells a final status, which is stored, and returns the one that stands: another's, if that was told first.
func (b *Board) Conclude(ctx context.Context, final Status) (*Status, error) {
	before, err := b.Advance(ctx, final)
	if err != nil {
		return nil, err
	}
	if before != nil && before.State.Final() {
		return before, nil
	}
	return &final, nil
}

// Read is the status of an image; nil if there is no such image. One round trip to Redis, if it is final. Of what is not, or
// if Redis has forgotten or is away, the store is asked, too: it may be over, and Redis not have been told, or be back with
// what it had some time ago.
func (b *Board) Read(ctx context.Context, imageID string) (*Status, error) {
	text, err := b.told(ctx, imageID)
	known := parse(text)
	if known != nil && known.State.Final() {
		return known, nil
	}
	look := ctx
	if known != nil { // without the store there is an answer, too
		var cancel context.CancelFunc
		look, cancel = context.WithTimeout(ctx, lookTimeout)
		defer cancel()
	}
	rebuilt, rebuildErr := b.Rebuild(look, imageID)
	switch {
	case known != nil && (rebuilt == nil || !rebuilt.State.Final()):
		return known, nil // the store knows no more
	case rebuildErr != nil:
		return nil, fmt.Errorf("read status of %s: %w", imageID, errors.Join(err, rebuildErr))
	}
	if rebuilt != nil && err == nil {
		b.putBack(ctx, *rebuilt)
	}
	return rebuilt, nil
}

// putBack spares the next reader the way to the store; it is not needed for this answer. Of an image that waits and was
// forgotten nobody knows whether it was announced, so it goes into the outbox as well.
func (b *Board) putBack(ctx context.Context, rebuilt Status) {
	if rebuilt.State == Queued {
		_, _ = b.Queue(ctx, rebuilt.ImageID)
		return
	}
	_, _ = b.Advance(ctx, rebuilt)
}

// disown forgets a status, unless it is another by now.
var disown = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
`)

// Reconcile returns what is stored of an image, for who is to make more of it, and has Redis forget a final status whose
// result is not there: that is of a store that was lost since.
func (b *Board) Reconcile(ctx context.Context, imageID string) (imagestore.Objects, error) {
	text, err := b.told(ctx, imageID)
	if err != nil {
		return imagestore.Objects{}, err
	}
	return b.reconcile(ctx, imageID, text)
}

// reconcile is for who has asked Redis already. What it told by then has its result in the store, unless that was lost.
func (b *Board) reconcile(ctx context.Context, imageID, text string) (imagestore.Objects, error) {
	set, err := b.store.Find(ctx, imageID)
	if err != nil {
		return imagestore.Objects{}, err
	}
	if known := parse(text); set.Result == nil && known != nil && known.State.Final() {
		if err := disown.Run(ctx, b.redis, []string{key(imageID)}, text).Err(); err != nil {
			return imagestore.Objects{}, fmt.Errorf("forget status of %s: %w", imageID, err)
		}
	}
	return set, nil
}

// Settled is the final status of an image, by its result in the store; nil if it has none yet. Of an image that Redis says is
// queued, that is one round trip to Redis: if it is not, there is a result already, which stays.
func (b *Board) Settled(ctx context.Context, imageID string) (*Status, error) {
	text, err := b.told(ctx, imageID)
	if err != nil {
		return nil, err
	}
	if known := parse(text); known != nil && known.State == Queued {
		return nil, nil
	}
	set, err := b.reconcile(ctx, imageID, text)
	if err != nil || set.Result == nil {
		return nil, err
	}
	return b.result(ctx, imageID, set)
}

// remember keeps what is there, and returns it.
var remember = redis.NewScript(`
redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', 86400)
return redis.call('GET', KEYS[1])
`)

// Remember keeps what was answered for an image for a day, and returns what the first answer was. One round trip.
func (b *Board) Remember(ctx context.Context, imageID, answer string) (first string, err error) {
	first, err = remember.Run(ctx, b.redis, []string{"image:answer:" + imageID}, answer).Text()
	if err != nil {
		return "", fmt.Errorf("remember answer for %s: %w", imageID, err)
	}
	return first, nil
}

// Forget removes a status, so that the next who asks is told what the store says.
func (b *Board) Forget(ctx context.Context, imageID string) error {
	if err := b.redis.Del(ctx, key(imageID)).Err(); err != nil {
		return fmt.Errorf("forget status of %s: %w", imageID, err)
	}
	return nil
}
