package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

// conversationFields are the fields beside the messages of a conversation that say something of it.
var conversationFields = []string{"tools", "functions", "system", "documents", "chat_template_kwargs"}

func parseMessages(o data.Object) (Example, error) {
	messages, err := messagesField(o, "messages")
	if err != nil {
		return Example{}, err
	}
	return chatExample(o, messages, "messages")
}

// parsePromptMessages is a record whose prompt and completion are messages. Only the completion is learned.
func parsePromptMessages(o data.Object, prompt, completion string) (Example, error) {
	before, err := messagesField(o, prompt)
	if err != nil {
		return Example{}, err
	}
	after, err := messagesField(o, completion)
	if err != nil {
		return Example{}, err
	}
	for i := range before {
		if before[i].Role == "assistant" {
			before[i].Extra.Set("train", false)
		}
	}
	if lastAssistant(after) < 0 {
		return Example{}, fmt.Errorf("field %q has no message of role assistant: nothing to score", completion)
	}
	return chatExample(o, append(before, after...), completion)
}

// messagesField is a field that is a list of messages.
func messagesField(o data.Object, field string) ([]chat.Message, error) {
	raw, ok := o[field]
	if !ok {
		return nil, fmt.Errorf("field %q is missing; the record has %s", field, o.Names())
	}
	var turns []json.RawMessage
	if err := json.Unmarshal(raw, &turns); err != nil {
		return nil, fmt.Errorf("field %q is not a list of messages: %w", field, err)
	}
	messages := make([]chat.Message, len(turns))
	for n, raw := range turns {
		var turn chat.OrderedMap
		err := json.Unmarshal(raw, &turn)
		if err != nil {
			return nil, fmt.Errorf("field %q is not a list of messages: %w", field, err)
		}
		// A turn is in the words of ShareGPT (from and value) or of OpenAI (role and content).
		if _, ok := turn.Get("from"); ok {
			if messages[n], err = shareGPTMessage(turn); err != nil {
				return nil, fmt.Errorf("conversation, turn %d: %w", n+1, err)
			}
		} else if messages[n], err = message(raw); err != nil {
			return nil, fmt.Errorf("message %d %w", n+1, err)
		}
	}
	numberCalls(messages)
	return messages, nil
}

// usualRoles are those that other roles may be misspellings of. Templates know further ones.
var usualRoles = []string{"system", "developer", "user", "assistant", "tool"}

// message is one message in the words of OpenAI.
func message(raw json.RawMessage) (chat.Message, error) {
	var m chat.Message
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, err
	}
	switch means := shareGPTRoles[strings.ToLower(m.Role)]; {
	case m.Role == "":
		return m, errors.New("has no role")
	case m.Role != means && (means == "user" || means == "assistant"): // a template may show it all the same, unlearned
		return m, fmt.Errorf("has the role %q; want %q", m.Role, means)
	}
	if likely := suggest.Nearest(m.Role, usualRoles); likely != "" && likely != m.Role {
		return m, fmt.Errorf("has the role %q; did you mean %q?", m.Role, likely)
	}
	if m.Role == "function" { // of OpenAI's older form, as is function_call
		m.Role = "tool"
	}
	call, ok := m.Extra.Get("function_call")
	if _, both := m.Extra.Get("tool_calls"); ok && call != nil && !both {
		old := m.Extra
		m.Extra = chat.OrderedMap{}
		for _, k := range old.Keys() {
			if v, _ := old.Get(k); k != "function_call" {
				m.Extra.Set(k, v)
			}
		}
		m.Extra.Set("tool_calls", []any{toolCall(call)})
	}
	if m.Parts == nil && m.Content == "" || string(m.Parts) == "null" {
		if keys := said(raw); !slices.Contains(keys, "content") && m.SaysNothing() {
			return m, fmt.Errorf("has no content; it has %s", strings.Join(keys, ", "))
		}
	}
	return m, checkParts(m)
}

// said are the keys of a message whose value is not null.
func said(raw json.RawMessage) []string {
	var all chat.OrderedMap
	_ = all.UnmarshalJSON(raw) // was a message
	return slices.DeleteFunc(slices.Clone(all.Keys()), func(k string) bool { v, _ := all.Get(k); return v == nil })
}

// checkParts refuses a content with parts that are no text.
func checkParts(m chat.Message) error {
	var parts []struct {
		Type string
	}
	if json.Unmarshal(m.Parts, &parts) != nil {
		return nil
	}
	for _, p := range parts {
		for _, kind := range []string{"image", "video", "audio", "file", "input_image", "input_audio"} {
			if strings.HasPrefix(p.Type, kind) {
				return fmt.Errorf("has a part of type %s in its content; models here read text alone", p.Type)
			}
		}
	}
	return nil
}

// toolCall is a function call as templates want it. numberCalls sets its id.
func toolCall(function any) *chat.OrderedMap {
	call := &chat.OrderedMap{}
	call.Set("id", nil)
	call.Set("type", "function")
	call.Set("function", function)
	return call
}

// numberCalls gives ids to the calls of forms that have none, and to the results of tools the ids of their calls:
// templates such as Mistral's want them, with nine characters. Calls that come as tool_calls stay as they are.
func numberCalls(messages []chat.Message) {
	n := 0
	var open []string
	for i := range messages {
		m := &messages[i]
		calls, _ := m.Extra.Get("tool_calls")
		list, _ := calls.([]any)
		for _, c := range list {
			call, ok := c.(*chat.OrderedMap)
			if !ok {
				continue
			}
			if id, given := call.Get("id"); given && id == nil {
				id := fmt.Sprintf("call%05d", n)
				call.Set("id", id)
				open = append(open, id)
				n++
			}
		}
		if m.Role == "tool" && len(open) > 0 {
			if _, known := m.Extra.Get("tool_call_id"); !known {
				m.Extra.Set("tool_call_id", open[0])
			}
			open = open[1:]
		}
	}
}

// shareGPTRoles are the roles of the names that ShareGPT has for speakers.
var shareGPTRoles = map[string]string{
	"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant", "bing": "assistant",
	"bard": "assistant", "model": "assistant", "system": "system", "tool": "tool", "observation": "tool", "function_response": "tool",
	"tool_response": "tool", "function_call": "assistant", "tool_call": "assistant",
}

// shareGPTMessage is a turn of ShareGPT. Keys other than from and value stay.
func shareGPTMessage(turn chat.OrderedMap) (chat.Message, error) {
	from, _ := turn.Get("from")
	value, _ := turn.Get("value")
	name, _ := from.(string)
	text, isText := value.(string)
	m := chat.Message{Role: shareGPTRoles[name], Content: text}
	switch {
	case m.Role == "":
		return m, fmt.Errorf("from is %q, want human, gpt, system or tool (function_call and observation will do, too)", name)
	case !isText && value != nil:
		return m, fmt.Errorf("from is %s, but value is no text", name)
	}
	for _, k := range turn.Keys() {
		if v, _ := turn.Get(k); k != "from" && k != "value" {
			m.Extra.Set(k, v)
		}
	}
	if name != "function_call" && name != "tool_call" {
		return m, nil
	}
	calls, err := shareGPTCalls(text)
	m.Content = ""
	m.Extra.Set("tool_calls", calls)
	return m, err
}

// shareGPTCalls are the calls in the value of a function_call: one or a list, as JSON.
func shareGPTCalls(text string) ([]any, error) {
	var one chat.OrderedMap
	list := []chat.OrderedMap{}
	if json.Unmarshal([]byte(text), &one) == nil {
		list = append(list, one)
	} else if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, errors.New(`from is function_call, but value is not the JSON of one, or of a list of them: want {"name", "arguments"}`)
	}
	calls := make([]any, len(list))
	for i := range list {
		if name, _ := list[i].Get("name"); name == nil {
			return nil, errors.New(`from is function_call, but value has no name: want {"name", "arguments"}`)
		}
		calls[i] = toolCall(&list[i])
	}
	return calls, nil
}

// parseConversations is a record of ShareGPT.
func parseConversations(o data.Object) (Example, error) {
	messages, err := messagesField(o, "conversations")
	if err != nil {
		return Example{}, err
	}
	return chatExample(o, messages, "conversations")
}

// chatExample is a conversation from a field of a record, with what else the record says of it.
func chatExample(o data.Object, messages []chat.Message, field string) (Example, error) {
	i := lastAssistant(messages)
	if i < 0 {
		return Example{}, fmt.Errorf("field %q has no message of role assistant: nothing to score", field)
	}
	ex := Example{Reference: messages[i].Content}
	system, err := o.Optional("system")
	if err != nil {
		return ex, err
	}
	if system != "" && messages[0].Role == "system" {
		return ex, fmt.Errorf("field \"system\" and a first message of role system are there; want one of them")
	}
	if system != "" {
		messages = slices.Insert(messages, 0, chat.Message{Role: "system", Content: system})
	}
	ex.Chat = messages
	if ex.Tools, err = toolsField(o); err != nil {
		return ex, err
	}
	if raw := o["chat_template_kwargs"]; !isEmpty(raw) && raw != nil {
		if err := json.Unmarshal(raw, &ex.TemplateArgs); err != nil {
			return ex, fmt.Errorf(`field "chat_template_kwargs" is %s, want an object`, data.TypeName(raw))
		}
	}
	if raw := o["documents"]; !isEmpty(raw) && raw != nil {
		var documents []chat.OrderedMap
		if err := json.Unmarshal(raw, &documents); err != nil {
			return ex, errors.New(`field "documents" is not a list of objects`)
		}
		ex.TemplateArgs.Set("documents", documents)
	}
	return ex, nil
}

// toolsField is the functions that a conversation may call: a list, or its JSON as a text. The older functions are
// wrapped.
func toolsField(o data.Object) (json.RawMessage, error) {
	for _, field := range []string{"tools", "functions"} {
		raw := o[field]
		var text string
		if json.Unmarshal(raw, &text) == nil {
			raw = json.RawMessage(text)
		}
		if len(strings.TrimSpace(string(raw))) == 0 || string(raw) == "null" {
			continue
		}
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, fmt.Errorf("field %q is not a list of functions, nor the JSON of one as a text: %w", field, err)
		}
		if len(list) == 0 {
			continue
		}
		if field == "tools" {
			return raw, nil
		}
		for i := range list {
			list[i] = json.RawMessage(`{"type": "function", "function": ` + string(list[i]) + `}`)
		}
		return json.Marshal(list)
	}
	return nil, nil
}
