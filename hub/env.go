package hub

import (
	"cmp"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// settings are a client's fields, completed from the environment.
type settings struct {
	endpoint, cache    string
	token, tokenSource string
	offline, copies    bool // copies: files stand where links to blobs would
	quiet              bool
	metadata, stall    time.Duration // how long to wait for an answer, and for the next byte of a file
}

// first is the value of the first variable that is set and not empty.
func first(names ...string) string {
	for _, name := range names {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// isTrue reads a switch as huggingface_hub does.
func isTrue(v string) bool {
	switch strings.ToUpper(v) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}

func seconds(name string) time.Duration {
	n, err := strconv.Atoi(os.Getenv(name))
	if err != nil || n <= 0 {
		n = 10
	}
	return time.Duration(n) * time.Second
}

// expand resolves ~ and variables; a variable that is not set stays as it is written.
func expand(p string) string {
	if home, err := os.UserHomeDir(); err == nil && (p == "~" || strings.HasPrefix(p, "~/") || strings.HasPrefix(p, `~\`)) {
		p = home + p[1:]
	}
	return os.Expand(p, func(name string) string {
		if v, ok := os.LookupEnv(name); ok {
			return v
		}
		return "$" + name
	})
}

// home is the folder of huggingface_hub's cache and token.
func home() string {
	return expand(cmp.Or(os.Getenv("HF_HOME"), filepath.Join(cmp.Or(os.Getenv("XDG_CACHE_HOME"), "~/.cache"), "huggingface")))
}

func (c *Client) settings() (settings, error) {
	s := settings{
		endpoint: strings.TrimRight(cmp.Or(c.Endpoint, os.Getenv("HF_ENDPOINT"), "https://huggingface.co"), "/"),
		offline:  c.Offline || isTrue(first("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")),
		copies:   isTrue(os.Getenv("HF_HUB_DISABLE_SYMLINKS")),
		quiet:    isTrue(os.Getenv("HF_HUB_DISABLE_PROGRESS_BARS")),
		metadata: seconds("HF_HUB_ETAG_TIMEOUT"),
		stall:    seconds("HF_HUB_DOWNLOAD_TIMEOUT"),
	}
	var err error
	s.cache, err = filepath.Abs(expand(cmp.Or(c.CacheDir, first("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"), filepath.Join(home(), "hub"))))
	s.token, s.tokenSource = c.findToken()
	return s, err
}

// findToken is the token, and where it comes from.
func (c *Client) findToken() (token, source string) {
	if c.Token != "" {
		return c.Token, "Client.Token"
	}
	if isTrue(os.Getenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
		return "", ""
	}
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		if t := cleanToken(os.Getenv(name)); t != "" {
			return t, name
		}
	}
	file := expand(cmp.Or(os.Getenv("HF_TOKEN_PATH"), filepath.Join(home(), "token")))
	b, _ := os.ReadFile(file) // without the file there is no token
	return cleanToken(string(b)), file
}

func cleanToken(s string) string {
	return strings.TrimSpace(strings.NewReplacer("\r", "", "\n", "").Replace(s))
}
