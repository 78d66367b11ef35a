// go run net_http.go        (port 8000 is this API, 8080 Keybearer; only the standard library)
package main

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"time"
)

// One client for all requests, so that connections are reused.
var keybearer = &http.Client{Timeout: time.Second}

var passedOn = []string{"Content-Type", "WWW-Authenticate", "Retry-After", "RateLimit", "RateLimit-Policy"}

var identity = []string{"X-Auth-Key-Id", "X-Auth-Owner", "X-Auth-Owner-Id", "X-Auth-Scopes", "X-Auth-Identity"}

func needs(scope string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asked, err := http.NewRequestWithContext(r.Context(), "GET", "http://127.0.0.1:8080/auth?scope="+url.QueryEscape(scope), nil)
		if err != nil {
			unavailable(w)
			return
		}
		// All lines of the header, so that Keybearer sees a repeated one.
		asked.Header["Authorization"] = r.Header["Authorization"]
		if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
			asked.Header.Set("X-Forwarded-For", host)
		}
		verdict, err := keybearer.Do(asked)
		if err != nil {
			unavailable(w)
			return
		}
		defer verdict.Body.Close()
		if verdict.StatusCode == http.StatusOK {
			// Replaces what the client claims about itself.
			for _, name := range identity {
				r.Header.Set(name, verdict.Header.Get(name))
			}
			next(w, r)
			return
		}
		for _, name := range passedOn {
			if value := verdict.Header.Get(name); value != "" {
				w.Header().Set(name, value)
			}
		}
		switch verdict.StatusCode {
		case 400, 401, 403, 429:
			w.WriteHeader(verdict.StatusCode)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		io.Copy(w, verdict.Body)
	}
}

func unavailable(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, `{"code":"unavailable"}`, http.StatusServiceUnavailable)
}

func main() {
	http.HandleFunc("/orders", needs("orders:read", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"owner": r.Header.Get("X-Auth-Owner")})
	}))
	log.Fatal(http.ListenAndServe("127.0.0.1:8000", nil))
}
