package deadletter

import (
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
)

const (
	pageSize    = 50
	maxPageSize = 500
	listWithin  = 20 * time.Second
)

// listed is the answer to GET /.
type listed struct {
	Waiting int64   `json:"waiting"`
	Letters []shown `json:"letters"`
	// Next is where to ask for what comes after these; empty at the end.
	Next string `json:"next,omitempty"`
}

// list is GET /: what waits, the oldest of each partition first, a page at a time.
func (k *keeper) list(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	after, limit, err := pageOf(query)
	if err != nil {
		return err
	}
	wanted, err := filterOf(query)
	if err != nil {
		return err
	}
	v, err := k.waiting.open()
	if err != nil {
		return err
	}
	defer v.close()
	ctx, cancel := context.WithTimeout(r.Context(), listWithin)
	defer cancel()
	page := listed{Waiting: v.count(), Letters: []shown{}}
	for l, err := range v.letters(ctx, after) {
		if err != nil {
			return err
		}
		if !wanted.has(l) {
			continue
		}
		if len(page.Letters) == limit {
			page.Next = wanted.next(after, limit)
			break
		}
		page.Letters = append(page.Letters, l.show())
		after = l.at
	}
	if asksForPage(r) {
		return writePage(w, page)
	}
	httpserver.WriteJSON(w, http.StatusOK, page)
	return nil
}

// pageOf takes after and limit out of a query.
func pageOf(query url.Values) (after place, limit int, err error) {
	after, limit = start, pageSize
	if text := query.Get("after"); text != "" {
		if after, err = parsePlace(text); err != nil {
			return after, limit, badQuery("after", text, "a place of the page before")
		}
	}
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxPageSize {
			return after, limit, badQuery("limit", text, fmt.Sprintf("a number from 1 to %d", maxPageSize))
		}
	}
	query.Del("after")
	query.Del("limit")
	return after, limit, nil
}

// filter is what id, source and type of an event have to be; what it does not name may be anything.
type filter map[string]string

var filters = []string{"id", "source", "type"}

// filterOf reads a query. What it does not know is refused, because a misspelt name would put everything back.
func filterOf(query url.Values) (filter, error) {
	f := filter{}
	for name, values := range query {
		if !slices.Contains(filters, name) || len(values) != 1 || values[0] == "" {
			return nil, badQuery(name, strings.Join(values, ","), "id, source or type, each once and with a value")
		}
		f[name] = values[0]
	}
	return f, nil
}

func badQuery(name, found, expected string) error {
	return &apierror.Error{
		Status:  http.StatusBadRequest,
		Code:    apierror.CodeBadQuery,
		Message: fmt.Sprintf("The query has %.40q; expected %s", name, expected),
		Found:   fmt.Sprintf("%.90s", found),
	}
}

func (f filter) has(l letter) bool {
	if l.fault != nil {
		return len(f) == 0
	}
	is := map[string]string{"id": l.event.ID(), "source": l.event.Source(), "type": l.event.Type()}
	for name, want := range f {
		if is[name] != want {
			return false
		}
	}
	return true
}

// next is the address of the page after a place.
func (f filter) next(after place, limit int) string {
	query := url.Values{"after": {after.String()}}
	if limit != pageSize {
		query.Set("limit", strconv.Itoa(limit))
	}
	for name, value := range f {
		query.Set(name, value)
	}
	return "/?" + query.Encode()
}

// asksForPage tells whether a browser asks.
func asksForPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

func writePage(w http.ResponseWriter, page listed) error {
	var text strings.Builder
	if err := pageTemplate.Execute(&text, page); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(text.String())) // a caller that has gone needs no page
	return nil
}
