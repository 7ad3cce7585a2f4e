package imagestore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// MinIO's certificate is accepted if its authority is configured, and otherwise refused.
func TestSecureMinIO(t *testing.T) {
	t.Parallel()
	servers := testservers.StartSecure(t)
	store := func(getenv func(string) string) *Store {
		r := config.NewReader(getenv)
		settings := ReadSettings(r)
		settings.Memory = 32 << 20
		store, err := Open(settings)
		if err != nil || r.Err() != nil {
			t.Fatal(err, r.Err())
		}
		return store
	}
	trusting := store(servers.Getenv)
	if err := trusting.Put(t.Context(), imageID+"/a.png", []byte("a"), Attributes{}); err != nil {
		t.Fatal(err)
	}
	if got, _ := read(t, trusting, imageID+"/a.png"); string(got) != "a" {
		t.Errorf("got %q, want a", got)
	}
	err := store(testservers.With(servers.Getenv, "MINIO_CA_FILE=")).Check(t.Context())
	if err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Fatalf("without its authority: got %v, want unknown authority", err)
	}
	if strings.Contains(err.Error(), testservers.Password) {
		t.Errorf("got %v, which has the password", err)
	}
}

// A body is hashed for the signature of its request, except over TLS, which protects it.
func TestHashedWithoutTLS(t *testing.T) {
	t.Parallel()
	authority := testservers.NewAuthority(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	authority.Write(file)
	sum := sha256.Sum256([]byte("a body"))
	for name, want := range map[string]string{"http": hex.EncodeToString(sum[:]), "https": "UNSIGNED-PAYLOAD"} {
		t.Run(name, func(t *testing.T) {
			hashes := make(chan string, 2)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", `"x"`)
				switch r.Method {
				case http.MethodPut:
					hashes <- r.Header.Get("X-Amz-Content-Sha256")
				case http.MethodGet: // where the bucket is
					fmt.Fprint(w, "<LocationConstraint></LocationConstraint>")
				}
			}))
			settings := map[string]string{"MINIO_ACCESS_KEY": "key", "MINIO_SECRET_KEY": "secret"}
			endpoint := server.Listener.Addr().String()
			if name == "https" {
				server.TLS = authority.Server()
				server.StartTLS()
				settings["MINIO_ENDPOINT"], settings["MINIO_CA_FILE"] = "https://"+endpoint, file
			} else {
				server.Start()
				settings["MINIO_ENDPOINT"] = endpoint
			}
			defer server.Close()
			r := config.NewReader(func(name string) string { return settings[name] })
			stored := ReadSettings(r)
			stored.Memory = 32 << 20
			store, err := Open(stored)
			if err != nil || r.Err() != nil {
				t.Fatal(err, r.Err())
			}
			upload := store.NewUpload(strings.NewReader("a body"), -1)
			defer upload.Close()
			if _, err := upload.Put(t.Context(), imageID+"/a.png", Attributes{}); err != nil {
				t.Fatal(err)
			}
			if err := store.Put(t.Context(), imageID+"/b.png", []byte("a body"), Attributes{}); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if got := <-hashes; got != want {
					t.Errorf("a body is sent with the hash %q, want %q", got, want)
				}
			}
		})
	}
}
