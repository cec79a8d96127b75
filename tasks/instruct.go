package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

func init() {
	Register("instruct", func() Task { return &Instruct{Files: Files{EvalSize: autoSize}, MaxNewTokens: 256} })
}

// Instruct is instruction tuning: the prompt is masked, the response and the end of the sequence are scored. The first
// record of a file decides the file's format:
//
//	messages    {"messages": [{"role": …, "content": …}, …]}, rendered by the model's chat template
//	sharegpt    {"conversations": [{"from": human, gpt or system, "value": …}, …]}, the same
//	alpaca      {"instruction", "input" (may be missing), "output"}, in the Alpaca prompt
//	dolly       {"instruction", "context" (may be missing), "response"}, in the Alpaca prompt
//	instances   {"instruction", "instances": [{"input", "output"}, …]}, the first instance in the Alpaca prompt
//	flan        a .tsv of question, answer and chain of thought: the thought and "The answer is: …", in the Alpaca prompt
//	prompt      {"prompt", "response"}, as they are
//	completion  {"prompt", "completion"}, as they are
//
// An answer scores 1 when it equals the reference but for white space at both ends, else 0.
type Instruct struct {
	Files
	// MaxNewTokens ends an answer.
	MaxNewTokens int `json:"max_new_tokens"`
}

var (
	_ Generator = (*Instruct)(nil)
	_ Checker   = (*Instruct)(nil)
	_ Describer = (*Instruct)(nil)
)

// Describe says what the task is.
func (t *Instruct) Describe() string {
	return "instructions and responses (alpaca, chat messages, prompt/response); score: exact match"
}

// Check refuses options that make no sense together.
func (t *Instruct) Check() error {
	if t.MaxNewTokens < 1 {
		return fmt.Errorf("option max_new_tokens is %d, want 1 or more", t.MaxNewTokens)
	}
	return t.Files.Check()
}

// Examples yields the records of a split.
func (t *Instruct) Examples(split Split) iter.Seq2[Example, error] {
	return t.examples(split, parseInstruct)
}

// Generation stops where a model begins the next instruction itself.
func (t *Instruct) Generation() GenerationOptions {
	return GenerationOptions{MaxNewTokens: t.MaxNewTokens, Stop: []string{"### Instruction:"}}
}

// Score is 1 for the reference but for white space around it.
func (t *Instruct) Score(want Example, got string) float64 {
	if strings.TrimSpace(got) == strings.TrimSpace(want.Reference) {
		return 1
	}
	return 0
}

// instructFormat is one way to write an instruction.
type instructFormat struct {
	name string
	// needs are the fields that tell the format.
	needs []string
	parse func(data.Object) (Example, error)
}

var instructFormats = []instructFormat{
	{"messages", []string{"messages"}, parseMessages},
	{"sharegpt", []string{"conversations"}, parseConversations},
	{"instances", []string{"instruction", "instances"}, parseInstances},
	{"flan", []string{"question", "answer", data.ChainOfThought}, parseChain},
	{"alpaca", []string{"instruction", "output"}, alpacaFields("instruction", "input", "output")},
	{"dolly", []string{"instruction", "response"}, alpacaFields("instruction", "context", "response")},
	{"prompt", []string{"prompt", "response"}, plainFields("prompt", "response")},
	{"completion", []string{"prompt", "completion"}, plainFields("prompt", "completion")},
}

func parseInstruct(r data.Record) (Example, error) {
	head, err := data.ParseObject(r.Head)
	if err != nil {
		return Example{}, err
	}
	i := slices.IndexFunc(instructFormats, func(f instructFormat) bool {
		return !slices.ContainsFunc(f.needs, func(name string) bool { return head[name] == nil })
	})
	if i < 0 {
		return Example{}, fmt.Errorf("not a format of instructions: the file's first record has %s; want %s", head.Names(), formatNames())
	}
	o, err := data.ParseObject(r.Raw)
	if err != nil {
		return Example{}, err
	}
	ex, err := instructFormats[i].parse(o)
	if err != nil {
		return Example{}, fmt.Errorf("%w (the file's format is %s, by its first record)", err, instructFormats[i].name)
	}
	return ex, nil
}

func formatNames() string {
	var names []string
	for _, f := range instructFormats {
		names = append(names, strings.Join(f.needs, " and "))
	}
	return strings.Join(names, ", or ")
}

func alpacaFields(instruction, input, output string) func(data.Object) (Example, error) {
	return func(o data.Object) (Example, error) {
		ask, err1 := o.Text(instruction)
		context, err2 := o.Optional(input)
		answer, err3 := o.Text(output)
		if err := errors.Join(err1, err2, err3); err != nil {
			return Example{}, oneLine(err)
		}
		prompt := alpacaPrompt(ask, context)
		return Example{Segments: response(prompt, answer), Prompt: prompt, Reference: answer}, nil
	}
}

func plainFields(before, after string) func(data.Object) (Example, error) {
	return func(o data.Object) (Example, error) {
		prompt, err1 := o.Text(before)
		answer, err2 := o.Text(after)
		if err := errors.Join(err1, err2); err != nil {
			return Example{}, oneLine(err)
		}
		return Example{Segments: response(prompt, answer), Prompt: prompt, Reference: answer}, nil
	}
}

func parseMessages(o data.Object) (Example, error) {
	raw, ok := o["messages"]
	if !ok {
		return Example{}, fmt.Errorf("field \"messages\" is missing; the record has %s", o.Names())
	}
	var messages []chat.Message
	if err := json.Unmarshal(raw, &messages); err != nil {
		return Example{}, fmt.Errorf("field \"messages\" is no list of messages: %w", err)
	}
	for n, m := range messages {
		if m.Role == "" {
			return Example{}, fmt.Errorf("message %d has no role", n+1)
		}
	}
	return chatExample(messages, "messages", o["tools"])
}

// chatExample is a conversation; field is where it comes from.
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

// lastAssistant is the index of the last message of that role, or -1.
func lastAssistant(messages []chat.Message) int {
	for i, m := range slices.Backward(messages) {
		if m.Role == "assistant" {
			return i
		}
	}
	return -1
}

// oneLine joins the lines of an error.
func oneLine(err error) error { return errors.New(strings.ReplaceAll(err.Error(), "\n", "; ")) }
