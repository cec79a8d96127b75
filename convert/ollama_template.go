package convert

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"text/template"

	"github.com/spagotune/spagotune/tokenizer/chat"
)

// ollamaTemplate is a chat template as ollama takes it: in the language of Go's text/template.
type ollamaTemplate struct {
	source string
	stop   string // what ends an assistant's turn
	note   string // what comes out otherwise; "" if nothing does
}

var errNoOllamaTemplate = errors.New("the chat template has no equal in Go's templates")

// newOllamaTemplate finds out what a chat template writes around messages, by rendering conversations, and writes a template
// of Go's that does the same. With addsBOS, ollama begins every text with bos itself, and the template leaves it out. Whatever a
// template does beyond that, with tools or by a message's content, is left out. The error is errNoOllamaTemplate where
// conversations come out otherwise.
func newOllamaTemplate(c *chat.Template, bos, eos string, addsBOS bool) (*ollamaTemplate, error) {
	r := renderer{template: c, bos: bos, eos: eos}
	if addsBOS {
		r.added = bos
	}
	m, err := r.marks()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoOllamaTemplate, err)
	}
	o := &ollamaTemplate{source: m.source(), stop: strings.TrimSpace(m.afterAssistant)}
	t, err := template.New("ollama").Parse(o.source)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoOllamaTemplate, err)
	}
	two := append(append(user, assistant...), user...)
	for _, turns := range [][]chat.Message{user, two} {
		if err := r.compare(t, turns); err != nil {
			return nil, err
		}
	}
	o.note = r.note(t, two)
	return o, nil
}

// note says what comes out otherwise than by the chat template, "" if nothing does.
func (r renderer) note(t *template.Template, two []chat.Message) string {
	var notes []string
	if text, err := r.template.Render(user, chat.Options{AddGenerationPrompt: true, BOS: r.bos, EOS: r.eos}); err == nil && !strings.HasPrefix(text, r.added) {
		notes = append(notes, fmt.Sprintf("a text begins with %s (add_bos_token), which the model's own chat template does not write", r.added))
	}
	if r.compare(t, append(system, user...)) != nil || r.compare(t, append(system, two...)) != nil {
		notes = append(notes, "a system message is written otherwise than by the model's own chat template")
	}
	return strings.Join(notes, "; ")
}

// Contents that no template has.
const (
	systemMark    = "Sy5temMark"
	userMark      = "U5erMark"
	assistantMark = "A55istantMark"
)

// One message each; append copies them, as their capacity is 1.
var (
	system    = []chat.Message{{Role: "system", Content: systemMark}}
	user      = []chat.Message{{Role: "user", Content: userMark}}
	assistant = []chat.Message{{Role: "assistant", Content: assistantMark}}
)

type renderer struct {
	template *chat.Template
	bos, eos string
	added    string // the token that ollama begins texts with, "" for none
}

// render is the text of a conversation without the token that ollama adds.
func (r renderer) render(turns []chat.Message, generate bool) (string, error) {
	text, err := r.template.Render(turns, chat.Options{AddGenerationPrompt: generate, BOS: r.bos, EOS: r.eos})
	return strings.TrimPrefix(text, r.added), err
}

// marks are what a template writes around messages.
type marks struct {
	first                                                              string // before a first message of the user without a system message
	beforeUser, afterUser, beforeAssistant, afterAssistant, generation string
	beforeSystem, afterSystem                                          string // the latter goes to the content of the first user message
	hasSystem                                                          bool
}

func (r renderer) marks() (*marks, error) {
	prompt, err := r.render(user, true)
	if err != nil {
		return nil, err
	}
	one, two, err := r.turns(prompt)
	if err != nil {
		return nil, err
	}
	three, err := r.render(append(append(user, assistant...), user...), true)
	if err != nil {
		return nil, err
	}
	m := &marks{}
	m.first, m.afterUser, _ = strings.Cut(one, userMark)
	_, m.afterAssistant, _ = strings.Cut(two, assistantMark)
	_, answer, _ := strings.Cut(three, userMark)
	answer, next, _ := strings.Cut(answer, assistantMark)
	next, _, _ = strings.Cut(next, userMark)
	var ok [3]bool
	m.generation, ok[0] = strings.CutPrefix(prompt, one)
	m.beforeAssistant, ok[1] = strings.CutPrefix(answer, m.afterUser)
	m.beforeUser, ok[2] = strings.CutPrefix(next, m.afterAssistant)
	if ok != [3]bool{true, true, true} {
		return nil, errors.New("turns are not written one after the other")
	}
	if with, err := r.render(append(system, user...), true); err == nil && strings.Contains(with, systemMark) {
		m.beforeSystem, with, _ = strings.Cut(with, systemMark)
		m.afterSystem, _, _ = strings.Cut(with, userMark)
		m.hasSystem = true
	}
	return m, nil
}

// turns are a user's turn, and it with an assistant's, where no other follows. Some templates, such as Phi-3's, write the token
// that ends texts there instead of what begins the next turn.
func (r renderer) turns(prompt string) (one, two string, err error) {
	if one, err = r.render(user, false); err != nil {
		return "", "", err
	}
	if two, err = r.render(append(user, assistant...), false); err != nil {
		return "", "", err
	}
	if !strings.HasPrefix(prompt, one) {
		one, two = strings.TrimSuffix(one, r.eos), strings.TrimSuffix(two, r.eos)
	}
	return one, two, nil
}

// source is the template.
func (m *marks) source() string {
	start, user := "", quoted(m.beforeUser)
	if first := quoted(m.first); m.hasSystem || first != user {
		if m.hasSystem {
			first = fmt.Sprintf("{{ if $.System }}%s{{ $.System }}%s{{ else }}%s{{ end }}", quoted(m.beforeSystem), quoted(m.afterSystem), first)
		}
		start, user = "{{ $first := true }}", fmt.Sprintf("{{ if $first }}%s{{ else }}%s{{ end }}{{ $first = false }}", first, user)
	}
	return fmt.Sprintf(`%s{{ range .Messages }}{{ if eq .Role "user" }}%s{{ .Content }}%s{{ else if eq .Role "assistant" }}%s{{ .Content }}%s{{ end }}{{ end }}%s`,
		start, user, quoted(m.afterUser), quoted(m.beforeAssistant), quoted(m.afterAssistant), quoted(m.generation))
}

// quoted is a text in a template.
func quoted(s string) string {
	if !strings.Contains(s, "{{") && !strings.Contains(s, `"""`) {
		return s
	}
	return fmt.Sprintf("{{ %q }}", s)
}

// compare renders a conversation by both templates.
func (r renderer) compare(t *template.Template, turns []chat.Message) error {
	want, err := r.render(turns, true)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoOllamaTemplate, err)
	}
	values := map[string]any{"Messages": turns, "System": ""}
	if turns[0].Role == "system" {
		values["System"] = turns[0].Content
	}
	var got bytes.Buffer
	if err := t.Execute(&got, values); err != nil {
		return fmt.Errorf("%w: %w", errNoOllamaTemplate, err)
	}
	if got.String() != want {
		return errNoOllamaTemplate
	}
	return nil
}
