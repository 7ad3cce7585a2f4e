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
	"gitlab.com/yourorg/image-service/functions/internal/jsonhttp"
)

const (
	pageSize    = 50
	maxPageSize = 500
	listTimeout = 20 * time.Second
	// maxFolded bounds the letters of a page, each entry counted as one letter for each that it stands for, in multiples
	// of its limit. So a page ends also if all letters are of one event.
	maxFolded = 20
)

// listed is the response to GET /.
type listed struct {
	Waiting int64   `json:"waiting"`
	Letters []shown `json:"letters"`
	// Next is the address of the next page; empty on the last one.
	Next string `json:"next,omitempty"`
}

// list is GET /: the letters that wait, the oldest of each partition first, a page at a time. Letters of one page with
// the same source and ID are one entry.
func (s *service) list(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	after, limit, err := pageOf(query)
	if err != nil {
		return err
	}
	wanted, err := filterOf(query)
	if err != nil {
		return err
	}
	release, err := s.memory.acquire(r.Context(), listCost)
	if err != nil {
		return err
	}
	defer release()
	page, err := s.page(r.Context(), wanted, after, limit)
	if err != nil {
		return err
	}
	if acceptsHTML(r) {
		return writePage(w, page)
	}
	jsonhttp.Write(w, http.StatusOK, page)
	return nil
}

// page returns up to limit of the wanted letters after a position.
func (s *service) page(ctx context.Context, wanted filter, after position, limit int) (listed, error) {
	v, err := s.backlog.open()
	if err != nil {
		return listed{}, err
	}
	defer v.close()
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	entries := fold{limit: limit}
	page := listed{Waiting: v.count()}
	for l, err := range v.letters(ctx, after) {
		if err != nil {
			return listed{}, err
		}
		if !wanted.matches(l) {
			continue
		}
		if !entries.add(l) {
			page.Next = wanted.next(after, limit)
			break
		}
		after = l.at
	}
	page.Letters = entries.all()
	return page, nil
}

// pageOf removes after and limit from a query and returns them.
func pageOf(query url.Values) (after position, limit int, err error) {
	after, limit = start, pageSize
	if text := query.Get("after"); text != "" {
		if after, err = parsePosition(text); err != nil {
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

// filter is the id, source and type that an event must have, the place of a letter, and whether it is raw; what it does
// not name may have any value.
type filter map[string]string

var filters = []string{"id", "source", "type", "place", "raw"}

// filterOf reads a query. It refuses names that it does not know, because a misspelt one would redrive everything.
func filterOf(query url.Values) (filter, error) {
	f := filter{}
	for name, values := range query {
		if !slices.Contains(filters, name) || len(values) != 1 || values[0] == "" {
			return nil, badQuery(name, strings.Join(values, ","), "id, source, type, place or raw, each once and with a value")
		}
		if name == "raw" && values[0] != "true" && values[0] != "false" {
			return nil, badQuery(name, values[0], "true or false")
		}
		if _, err := parsePosition(values[0]); name == "place" && err != nil {
			return nil, badQuery(name, values[0], "the place of a letter, such as 2-17")
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

// matches reports whether a letter has all values of the filter. What is not an event has no id, source and type.
func (f filter) matches(l letter) bool {
	values := map[string]string{"place": l.at.String(), "raw": strconv.FormatBool(l.raw != nil)}
	if l.fault == nil && l.raw == nil {
		values["id"], values["source"], values["type"] = l.event.ID(), l.event.Source(), l.event.Type()
	}
	for name, want := range f {
		if got, found := values[name]; !found || got != want {
			return false
		}
	}
	return true
}

// namesRaw reports whether raw letters are meant. A redrive without that leaves them: what no SDK could read fails
// again until its reader has changed.
func (f filter) namesRaw() bool { return f["raw"] == "true" || f["place"] != "" }

// next returns the address of the page after a position.
func (f filter) next(after position, limit int) string {
	query := url.Values{"after": {after.String()}}
	if limit != pageSize {
		query.Set("limit", strconv.Itoa(limit))
	}
	for name, value := range f {
		query.Set(name, value)
	}
	return "/?" + query.Encode()
}

// acceptsHTML reports whether a browser sent the request.
func acceptsHTML(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

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
	header.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(text.String())) // fails only if the caller has left
	return nil
}
