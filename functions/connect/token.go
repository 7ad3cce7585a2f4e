package connect

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"golang.org/x/sync/singleflight"
)

// renewAfter is the part of a token's lifetime after which it is replaced, as in Kafka's own clients
// (sasl.login.refresh.window.factor). sarama logs in again after 85 to 95 % of a session, which ends with its token: so
// every login after the first one of a session has a new token.
const renewAfter = 0.8

// A bearer is a token that logs in to Kafka. Without an end, it is used for one login.
type bearer struct {
	token        string
	renewal, end time.Time
}

func newBearer(token string, begin, end time.Time) bearer {
	lifetime := max(end.Sub(begin), 0)
	return bearer{token: token, renewal: begin.Add(time.Duration(renewAfter * float64(lifetime))), end: end}
}

// tokens keeps the token of the logins. It is safe for concurrent use, and implements sarama.AccessTokenProvider.
type tokens struct {
	// fetch gets a new token. Its errors have no secrets.
	fetch      func(context.Context) (bearer, error)
	extensions map[string]string
	fetching   singleflight.Group

	lock    sync.Mutex
	current bearer
}

// Token returns a token that is valid. Logins at the same time share one request for a new one. While that fails, the
// old token is used until its end.
func (t *tokens) Token() (*sarama.AccessToken, error) {
	current := t.cached()
	if !time.Now().Before(current.renewal) {
		fetched, err, _ := t.fetching.Do("", t.renew)
		if err != nil && !time.Now().Before(current.end) {
			return nil, err
		}
		if err == nil {
			current = fetched.(bearer)
		}
	}
	return &sarama.AccessToken{Token: current.token, Extensions: t.extensions}, nil
}

func (t *tokens) cached() bearer {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.current
}

// renew looks once more whether a request has just ended.
func (t *tokens) renew() (any, error) {
	if current := t.cached(); time.Now().Before(current.renewal) {
		return current, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), kafkaTimeout)
	defer cancel()
	fetched, err := t.fetch(ctx)
	if err != nil {
		return nil, fmt.Errorf("get a token for kafka: %w", err)
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	t.current = fetched
	return fetched, nil
}
