//go:build hostile

package hostile

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// keepLetter is what Knative does.
func keepLetter(p *process) int {
	return p.send(request{http.MethodPost, "/", http.Header{
		"Content-Type": {"application/json"}, "Ce-Specversion": {"1.0"}, "Ce-Type": {"t"}, "Ce-Source": {"/ordinary"},
		"Ce-Id": {fmt.Sprint(lastEvent.Add(1))},
	}, strings.NewReader("{}"), 2})
}

// ofLetter attacks with a letter in structured mode.
func ofLetter(members ...string) func(p *process) int {
	return sends(func() request { return post("/", structured, []byte(event()+strings.Join(members, "")+"}")) })
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	zeros := base64.StdEncoding.EncodeToString(make([]byte, 1<<20))
	// It keeps whatever it gets, and so refuses little.
	kept := []int{200}
	p := start(t, "dead-letters")
	run(t, p, keepLetter, []wave{
		{"headers", withAnswers(headerAttacks("POST /", 256<<10), 200)},
		{"connections", withAnswers(connectionAttacks("/"), 200)},
		{"HTTP/2", http2Attacks()},
		{"letters", []attack{
			{"many attributes", ofLetter(strings.Repeat(`,"a":1`, 170_000)), kept},
			{"distinct attributes", ofLetter(distinct(`,"a%x":1`, 100_000)), kept},
			{"many members", ofLetter(`,"data":{"a":1`, strings.Repeat(`,"a":1`, 170_000), "}"), kept},
			{"distinct members", ofLetter(`,"data":{"a":1`, distinct(`,"%x":1`, 90_000), "}"), kept},
			{"deep", ofLetter(`,"data":`, strings.Repeat("[", 500_000), strings.Repeat("]", 500_000)), kept},
			{"a long name", ofLetter(`,"`, strings.Repeat("a", 1<<20), `":1`), kept},
			{"escapes", ofLetter(`,"a":"`, strings.Repeat(`\u0001`, 170_000), `"`), kept},
			{"base64", ofLetter(`,"data_base64":"`, zeros, `"`), kept},
			{"base64 of escapes", ofLetter(`,"data_base64":"`, strings.Repeat(`\u0041`, 250_000), `"`), kept},
			{"20 MB in chunks", sends(func() request { return stream("/", "image/png", repeated("x", 20<<20)) }), kept},
			{"20 MB of an event in chunks", sends(func() request {
				return stream("/", structured, strings.NewReader(event()), repeated(`,"a":1`, 3<<20))
			}), kept},
			{"gzip", sends(func() request {
				r := post("/", structured, bombOfGzip())
				r.header.Set("Content-Encoding", "gzip")
				return r
			}), kept},
			{"a batch", sends(func() request {
				return stream("/", "application/cloudevents-batch+json", repeated("[", 1<<20))
			}), kept},
			{"a list", sends(func() request { return get("/?limit=500", nil) }), kept},
			{"a list of nothing", sends(func() request { return get("/?"+strings.Repeat("type=a&", 30_000), nil) }),
				[]int{200, 400}},
			{"a redrive", sends(func() request {
				return request{method: http.MethodPost, path: "/redrive?type=none", body: io.MultiReader()}
			}), kept},
		}},
	})
}

// withAnswers returns attacks that may also get other answers.
func withAnswers(attacks []attack, more ...int) []attack {
	for i := range attacks {
		attacks[i].answers = append(more, attacks[i].answers...)
	}
	return attacks
}
