// Command examples uploads the images of a folder, and shows their thumbnails in thumbnails.html; or deletes all images
// of the client. It needs the standard library only.
//
//	SERVICE=https://images.example KEY=isk_... go run ./functions/upload/examples FOLDER
//	SERVICE=https://images.example KEY=isk_... go run ./functions/upload/examples --delete
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

var (
	service = strings.TrimSuffix(os.Getenv("SERVICE"), "/")
	key     = os.Getenv("KEY")
)

func main() {
	log.SetFlags(0)
	const flag = "--delete"
	if service == "" || key == "" || len(os.Args) != 2 || strings.HasPrefix(os.Args[1], "-") && os.Args[1] != flag {
		log.Fatal("usage: SERVICE=URL KEY=KEY examples FOLDER, or --delete in its place; KEY is an API key")
	}
	run := func() error { return show(os.Args[1]) }
	if os.Args[1] == flag {
		run = deleteAll
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

// ask sends a request and reads the JSON of its answer into a value, unless that is nil.
func ask(method, path string, body []byte, into any) error {
	request, err := http.NewRequest(method, service+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("X-Api-Key", key)
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/octet-stream")
		request.Header.Set("Idempotency-Key", rand.Text())
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		reason, _ := io.ReadAll(answer.Body) // what is read of it says enough
		return fmt.Errorf("%s %s: %s %s", method, path, answer.Status, reason)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

func show(folder string) error {
	files, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	base, err := url.Parse(service)
	if err != nil {
		return err
	}
	page := "<!doctype html><title>Thumbnails</title>\n"
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			return err
		}
		var image struct {
			ID     string `json:"image_id"`
			Status string
			URLs   struct{ Thumbnail string }
		}
		if err := ask("POST", "/upload?filename="+url.QueryEscape(file.Name()), content, &image); err != nil {
			return err
		}
		if err := ask("GET", "/status/"+image.ID+"?wait=30", nil, &image); err != nil {
			return err
		}
		if image.Status == "completed" {
			thumbnail, err := base.Parse(image.URLs.Thumbnail) // signed: it needs no key
			if err != nil {
				return err
			}
			page += fmt.Sprintf("<img src=\"%s\" alt=\"%s\">\n",
				html.EscapeString(thumbnail.String()), html.EscapeString(file.Name()))
		}
		fmt.Println(image.ID, image.Status, file.Name())
	}
	return os.WriteFile("thumbnails.html", []byte(page), 0o644)
}

func deleteAll() error {
	for cursor := ""; ; {
		var page struct {
			Images []struct {
				ID       string `json:"image_id"`
				Filename string
			}
			Next string
		}
		if err := ask("GET", "/images?limit=100&cursor="+cursor, nil, &page); err != nil {
			return err
		}
		for _, image := range page.Images {
			if err := ask("DELETE", "/images/"+image.ID, nil, nil); err != nil {
				return err
			}
			fmt.Println(image.ID, "deleted", image.Filename)
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}
