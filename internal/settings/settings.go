// Package settings overrides keys of a YAML file with "key=value" settings. What belongs here is the syntax of a
// setting; what a key means belongs to its reader.
package settings

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

// Set sets a key to a value. The value is YAML in one line, and dots in the key lead into groups of keys. Lists and groups
// of keys are in brackets, so a text with a colon ("summarize: ") is that text.
func Set(keys map[string]any, setting string) error {
	key, text, ok := strings.Cut(setting, "=")
	if !ok || key == "" {
		return fmt.Errorf("--set %s: want key=value", setting)
	}
	var v any
	if isText(text) {
		v = text
	} else if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		return fmt.Errorf("--set %s: the value is not valid YAML", setting)
	}
	path := strings.Split(key, ".")
	for _, p := range path[:len(path)-1] {
		inner, ok := keys[p].(map[string]any)
		if !ok {
			if keys[p] != nil {
				return fmt.Errorf("--set %s: %s is not a group of keys", setting, p)
			}
			inner = map[string]any{}
			keys[p] = inner
		}
		keys = inner
	}
	keys[path[len(path)-1]] = v
	return nil
}

// isText reports whether YAML would read a text without quotes or brackets as a group of keys.
func isText(text string) bool {
	return text != "" && !strings.ContainsAny(text[:1], `"'{[|>&*!%@`+"`") && strings.Contains(text+" ", ": ")
}
