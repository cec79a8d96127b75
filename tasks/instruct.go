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
//	messages    {"messages": [{"role", "content", "tool_calls" …}, …]}, rendered by the model's chat template
//	sharegpt    {"conversations": [{"from": human, gpt, system, function_call or observation, "value": …}, …]}, likewise
//	instances   {"instruction", "instances": [{"input", "output"}, …]}, the first instance in the Alpaca prompt
//	flan        a .tsv of question, answer and chain of thought: the thought and "The answer is: …", in the Alpaca prompt
//	alpaca      {"instruction", "input", "output", "system", "history"}, in the Alpaca prompt; only instruction and output must be
//	dolly       {"instruction", "context" (optional), "response"}, in the Alpaca prompt
//	prompt      {"prompt", "response"}, as they are, or as lists of messages
//	completion  {"prompt", "completion"}, likewise
//
// A conversation may have tools (schemas, or their JSON as a text), system, documents and chat_template_kwargs beside its
// messages. docs/conversations.md says what of it is scored. Other fields that say something of a record are in Counts.Notes.
//
// An answer scores 1 if it equals the reference up to white space at both ends, else 0.
type Instruct struct {
	Files
	// MaxNewTokens is the most tokens of an answer.
	MaxNewTokens int `json:"max_new_tokens" affects:"answers"`
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
	// used are further fields that the format has a use for.
	used []string
}

var instructFormats = []instructFormat{
	{"messages", []string{"messages"}, parseMessages, conversationFields},
	{"sharegpt", []string{"conversations"}, parseConversations, conversationFields},
	{"instances", []string{"instruction", "instances"}, parseInstances, []string{"input"}},
	{"flan", []string{"question", "answer", data.ChainOfThought}, parseChainOfThought, nil},
	{"alpaca", []string{"instruction", "output"}, parseAlpaca, []string{"input", "system", "history", "text"}},
	{"dolly", []string{"instruction", "response"}, parseDolly, []string{"context"}},
	{"prompt", []string{"prompt", "response"}, plainFields("prompt", "response"), nil},
	{"completion", []string{"prompt", "completion"}, plainFields("prompt", "completion"), nil},
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
	format := instructFormats[i]
	ex, err := format.parse(o)
	if err != nil {
		return Example{}, fmt.Errorf("%w (the file's format is %s, by its first record)", err, format.name)
	}
	ex.Unused = unusedFields(o, slices.Concat(format.fields, format.used)...)
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

func plainFields(prompt, response string) func(data.Object) (Example, error) {
	return func(o data.Object) (Example, error) {
		if o.IsList(prompt) && o.IsList(response) {
			return parsePromptMessages(o, prompt, response)
		}
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

// lastAssistant is the index of the last message of the assistant, or -1.
func lastAssistant(messages []chat.Message) int {
	for i, m := range slices.Backward(messages) {
		if m.Role == "assistant" {
			return i
		}
	}
	return -1
}
