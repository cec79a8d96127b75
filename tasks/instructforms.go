package tasks

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tasks/metric"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

// sharegptRoles are the roles of ShareGPT's names for who speaks.
var sharegptRoles = map[string]string{
	"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant", "bing": "assistant",
	"bard": "assistant", "system": "system", "tool": "tool",
}

// parseConversations is a record of ShareGPT's.
func parseConversations(o data.Object) (Example, error) {
	raw, ok := o["conversations"]
	if !ok {
		return Example{}, fmt.Errorf("field \"conversations\" is missing; the record has %s", o.Names())
	}
	var turns []struct{ From, Value string }
	if err := json.Unmarshal(raw, &turns); err != nil {
		return Example{}, fmt.Errorf("field \"conversations\" is no list of from and value: %w", err)
	}
	messages := make([]chat.Message, len(turns))
	for i, turn := range turns {
		role := sharegptRoles[turn.From]
		if role == "" {
			return Example{}, fmt.Errorf("conversation, turn %d: from is %q, want human, gpt, system or tool", i+1, turn.From)
		}
		messages[i] = chat.Message{Role: role, Content: turn.Value}
	}
	return chatExample(messages, "conversations", o["tools"])
}

// parseInstances is a record of Self-Instruct's, of which the first instance counts.
func parseInstances(o data.Object) (Example, error) {
	ask, err := o.Text("instruction")
	if err != nil {
		return Example{}, err
	}
	var instances []data.Object
	if err := json.Unmarshal(o["instances"], &instances); err != nil || len(instances) == 0 {
		return Example{}, errors.New(`field "instances" is no list of at least one {"input", "output"}`)
	}
	input, err1 := instances[0].Optional("input")
	output, err2 := instances[0].Text("output")
	if err := errors.Join(err1, err2); err != nil {
		return Example{}, fmt.Errorf("first instance: %w", oneLine(err))
	}
	prompt := alpacaPrompt(ask, input)
	return Example{Segments: response(prompt, output), Prompt: prompt, Reference: output}, nil
}

// parseChain is a record of FLAN's chains of thought.
func parseChain(o data.Object) (Example, error) {
	question, err1 := o.Text("question")
	final, err2 := o.Text("answer")
	thought, err3 := o.Text(data.ChainOfThought)
	if err := errors.Join(err1, err2, err3); err != nil {
		return Example{}, oneLine(err)
	}
	prompt, answer := alpacaPrompt(question, ""), thought+"\n"+metric.AnswerMarker+final
	return Example{Segments: response(prompt, answer), Prompt: prompt, Reference: answer}, nil
}
