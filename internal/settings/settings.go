// Package settings overrides keys of a YAML file with "key=value" settings. What belongs here is the syntax of a
// setting; what a key means belongs to its reader.
package settings

import (
	"fmt"
	"strings"
)

// Set sets a key to a value. The value is YAML in one line, and dots in the key lead into groups of keys. Lists and groups
// of keys are in brackets, so a text with a colon ("summarize: ") is that text.
func Set(keys map[string]any, setting string) error {
	key, text, ok := strings.Cut(setting, "=")
	if !ok || key == "" {
		return fmt.Errorf("--set %s: want key=value", setting)
	}
	path := strings.Split(key, ".")
	last := path[len(path)-1]
	v, err := readText(last, text)
	if err != nil {
		return fmt.Errorf("--set %s: the value is not valid YAML: %w", setting, err)
	}
	if len(path) > 1 && ordered(path[0]) { // the keys of a pattern have dots of their own
		if keys[path[0]] == nil {
			keys[path[0]] = &Pattern{}
		}
		if p, ok := keys[path[0]].(*Pattern); ok {
			p.Set(strings.Join(path[1:], "."), v)
			return nil
		}
	}
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
	keys[last] = v
	return nil
}

// readText is the value of a setting.
func readText(key, text string) (any, error) {
	if isText(text) {
		return text, nil
	}
	return read(key, []byte(text))
}

// isText reports whether YAML would read a text without quotes or brackets as a group of keys.
func isText(text string) bool {
	return text != "" && !strings.ContainsAny(text[:1], `"'{[|>&*!%@`+"`") && strings.Contains(text+" ", ": ")
}
