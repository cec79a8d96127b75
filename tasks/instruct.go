package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tasks/metric"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

func init() {
	Register("instruct", func() Task { return &Instruct{Files: NewFiles(data.ReadAny), MaxNewTokens: 256} })
}

// Instruct is instruction tuning: the prompt is masked, and the response and the end of the sequence are scored. The
// first record of a file tells its format:
//
//	messages    {"messages": [{"role": …, "content": …}, …]}, rendered by the model's chat template
//	sharegpt    {"conversations": [{"from": human, gpt or system, "value": …}, …]}, rendered by the chat template
//	instances   {"instruction", "instances": [{"input", "output"}, …]}, the first instance in the Alpaca prompt
//	flan        a .tsv of question, answer and chain of thought: the thought and "The answer is: …", in the Alpaca prompt
//	alpaca      {"instruction", "input" (optional), "output"}, in the Alpaca prompt
//	dolly       {"instruction", "context" (optional), "response"}, in the Alpaca prompt
//	prompt      {"prompt", "response"}, as they are
//	completion  {"prompt", "completion"}, as they are
//
// An answer scores 1 if it equals the reference up to white space at both ends, else 0.
type Instruct struct {
	Files
	// MaxNewTokens is the most tokens of an answer.
	MaxNewTokens int `json:"max_new_tokens"`
}

var _ interface {
	Generator
	Checker
	DataChecker
	Describer
} = (*Instruct)(nil)

// Describe says what the task is.
func (t *Instruct) Describe() string {
	return "instructions and responses (alpaca, chat messages, prompt/response); score: exact match"
}

// Check returns an error if an option is out of range.
func (t *Instruct) Check() error { return checkMaxNewTokens(t.MaxNewTokens) }

func checkMaxNewTokens(n int) error {
	if n < 1 {
		return fmt.Errorf("option max_new_tokens is %d, want 1 or more", n)
	}
	return nil
}

// Examples yields the records of a split.
func (t *Instruct) Examples(split Split) iter.Seq2[Example, error] {
	return t.Parse(split, parseInstruct)
}

// Generation stops where a model begins the next instruction itself.
func (t *Instruct) Generation() GenerationOptions {
	return GenerationOptions{MaxNewTokens: t.MaxNewTokens, Stop: []string{"### Instruction:"}}
}

// Score is 1 for the reference, up to white space around it, else 0.
func (t *Instruct) Score(want Example, got string) float64 {
	return float64(b2i(strings.TrimSpace(got) == strings.TrimSpace(want.Reference)))
}

// instructFormat is one way in which instructions are written.
type instructFormat struct {
	name string
	// fields are those by which a file's first record shows the format.
	fields []string
	parse  func(data.Object) (Example, error)
}

var instructFormats = []instructFormat{
	{"messages", []string{"messages"}, parseMessages},
	{"sharegpt", []string{"conversations"}, parseConversations},
	{"instances", []string{"instruction", "instances"}, parseInstances},
	{"flan", []string{"question", "answer", data.ChainOfThought}, parseChainOfThought},
	{"alpaca", []string{"instruction", "output"}, alpacaFields("instruction", "input", "output")},
	{"dolly", []string{"instruction", "response"}, alpacaFields("instruction", "context", "response")},
	{"prompt", []string{"prompt", "response"}, plainFields("prompt", "response")},
	{"completion", []string{"prompt", "completion"}, plainFields("prompt", "completion")},
}

func parseInstruct(r data.Record) (Example, error) {
	first, err := r.File.First()
	if err != nil {
		return Example{}, err
	}
	i := slices.IndexFunc(instructFormats, func(f instructFormat) bool { return first.Has(f.fields...) })
	if i < 0 {
		return Example{}, fmt.Errorf("not a format of instructions: the file's first record has %s; want %s", first.Names(), formatFields())
	}
	o, err := r.Object()
	if err != nil {
		return Example{}, err
	}
	ex, err := instructFormats[i].parse(o)
	if err != nil {
		return Example{}, fmt.Errorf("%w (the file's format is %s, by its first record)", err, instructFormats[i].name)
	}
	return ex, nil
}

// formatFields lists the fields of all formats, for messages.
func formatFields() string {
	var all []string
	for _, f := range instructFormats {
		all = append(all, strings.Join(f.fields, " and "))
	}
	return strings.Join(all, ", or ")
}

func alpacaFields(instruction, input, output string) func(data.Object) (Example, error) {
	return func(o data.Object) (Example, error) {
		f := o.Fields()
		ex := Answered(alpacaPrompt(f.Text(instruction), f.Optional(input)), f.Text(output))
		return ex, f.Err()
	}
}

func plainFields(prompt, response string) func(data.Object) (Example, error) {
	return func(o data.Object) (Example, error) {
		f := o.Fields()
		ex := Answered(f.Text(prompt), f.Text(response))
		return ex, f.Err()
	}
}

// parseInstances is a record of Self-Instruct, of which the first instance is taken.
func parseInstances(o data.Object) (Example, error) {
	instruction, err := o.Text("instruction")
	if err != nil {
		return Example{}, err
	}
	var instances []data.Object
	if err := json.Unmarshal(o["instances"], &instances); err != nil || len(instances) == 0 {
		return Example{}, errors.New(`field "instances" is not a list of at least one {"input", "output"}`)
	}
	f := instances[0].Fields()
	ex := Answered(alpacaPrompt(instruction, f.Optional("input")), f.Text("output"))
	if err := f.Err(); err != nil {
		return Example{}, fmt.Errorf("first instance: %w", err)
	}
	return ex, nil
}

// parseChainOfThought is a record of FLAN's chains of thought.
func parseChainOfThought(o data.Object) (Example, error) {
	f := o.Fields()
	ex := Answered(alpacaPrompt(f.Text("question"), ""), f.Text(data.ChainOfThought)+"\n"+metric.AnswerMarker+f.Text("answer"))
	return ex, f.Err()
}

func parseMessages(o data.Object) (Example, error) {
	raw, ok := o["messages"]
	if !ok {
		return Example{}, fmt.Errorf("field \"messages\" is missing; the record has %s", o.Names())
	}
	var messages []chat.Message
	if err := json.Unmarshal(raw, &messages); err != nil {
		return Example{}, fmt.Errorf("field \"messages\" is not a list of messages: %w", err)
	}
	for n, m := range messages {
		if m.Role == "" {
			return Example{}, fmt.Errorf("message %d has no role", n+1)
		}
	}
	return chatExample(messages, "messages", o["tools"])
}

// shareGPTRoles are the roles of the names that ShareGPT has for speakers.
var shareGPTRoles = map[string]string{
	"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant", "bing": "assistant",
	"bard": "assistant", "system": "system", "tool": "tool",
}

// parseConversations is a record of ShareGPT.
func parseConversations(o data.Object) (Example, error) {
	raw, ok := o["conversations"]
	if !ok {
		return Example{}, fmt.Errorf("field \"conversations\" is missing; the record has %s", o.Names())
	}
	var turns []struct{ From, Value string }
	if err := json.Unmarshal(raw, &turns); err != nil {
		return Example{}, fmt.Errorf("field \"conversations\" is not a list of from and value: %w", err)
	}
	messages := make([]chat.Message, len(turns))
	for i, turn := range turns {
		role := shareGPTRoles[turn.From]
		if role == "" {
			return Example{}, fmt.Errorf("conversation, turn %d: from is %q, want human, gpt, system or tool", i+1, turn.From)
		}
		messages[i] = chat.Message{Role: role, Content: turn.Value}
	}
	return chatExample(messages, "conversations", o["tools"])
}

// chatExample is a conversation from the given field.
func chatExample(messages []chat.Message, field string, tools json.RawMessage) (Example, error) {
	i := lastAssistant(messages)
	if i < 0 {
		return Example{}, fmt.Errorf("field %q has no message of role assistant: nothing to score", field)
	}
	ex := Example{Chat: messages, Reference: messages[i].Content}
	if string(tools) != "null" {
		ex.Tools = tools
	}
	return ex, nil
}

// lastAssistant is the index of the last message of the assistant, or -1.
func lastAssistant(messages []chat.Message) int {
	for i, m := range slices.Backward(messages) {
		if m.Role == "assistant" {
			return i
		}
	}
	return -1
}
