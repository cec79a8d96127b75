package tasks

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/tokenizer/chat"
)

// chatML writes tools, all that a message says, and </s>.
const chatML = "{% if documents %}{{ documents[0].text }}{% endif %}{{ ' no think' if enable_thinking is false }}{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<{{ m.role }}>{% if m.reasoning_content %}({{ m.reasoning_content }}){% endif %}{{ m.content }}" +
	"{% for c in m.tool_calls or [] %}{{ c.id }}:{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}{{ ' of ' + m.tool_call_id if m.tool_call_id }}{{ eos_token }}{% endfor %}" +
	"{% if add_generation_prompt %}<assistant>{% endif %}"

// TestConversations renders records with all that says something of them.
func TestConversations(t *testing.T) {
	template, err := chat.ParseTemplate(chatML)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, data, want string }{
		{"system beside", `{"system":"S","messages":[{"role":"user","content":"U"},{"role":"assistant","content":"A"}]}`, "<system>S</s><user>U</s><assistant>⟦A</s>⟧"},
		{"tools as text", `{"tools":"[{\"name\":\"f\"}]","messages":[{"role":"user","content":"U"},{"role":"assistant","content":"A"}]}`,
			`[{"name": "f"}]<user>U</s><assistant>⟦A</s>⟧`},
		{"functions", `{"functions":[{"name":"f"}],"messages":[{"role":"user","content":"U"},{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{\"x\": 1}"}},` +
			`{"role":"function","name":"f","content":"7"},{"role":"assistant","content":"A"}]}`,
			`[{"type": "function", "function": {"name": "f"}}]<user>U</s><assistant>⟦call00000:f{"x": 1}</s>⟧<tool>7 of call00000</s><assistant>⟦A</s>⟧`},
		{"null", `{"messages":[{"role":"user","content":"U","name":null},{"role":"assistant","content":null,"tool_calls":[{"id":"a","function":{"name":"f","arguments":{}}}]}]}`,
			`<user>U</s><assistant>⟦a:f{}</s>⟧`},
		{"parts", `{"messages":[{"role":"user","content":[{"type":"text","text":"U"},{"type":"text","text":"V"}]},{"role":"assistant","content":[{"type":"text","text":"A"}]}]}`,
			"<user>UV</s><assistant>⟦A</s>⟧"},
		{"reasoning", `{"messages":[{"role":"user","content":"U"},{"role":"assistant","content":"A","reasoning":"R"}]}`, "<user>U</s><assistant>⟦(R)A</s>⟧"},
		{"weight", `{"messages":[{"role":"user","content":"U"},{"role":"assistant","content":"A","weight":0},{"role":"assistant","content":"B","weight":1}]}`,
			"<user>U</s><assistant>A</s><assistant>⟦B</s>⟧"},
		{"template's variables", `{"chat_template_kwargs":{"enable_thinking":false},"documents":[{"text":"D"}],"messages":[{"role":"user","content":"U"},{"role":"assistant","content":"A"}]}`,
			"D no think<user>U</s><assistant>⟦A</s>⟧"},
		{"prompt and completion", `{"prompt":[{"role":"user","content":"U"},{"role":"assistant","content":"A"},{"role":"user","content":"V"}],"completion":[{"role":"assistant","content":"B"}]}`,
			"<user>U</s><assistant>A</s><user>V</s><assistant>⟦B</s>⟧"},
		{"sharegpt", `{"system":"S","tools":"[{\"name\": \"f\"}]","conversations":[{"from":"human","value":"U"},{"from":"function_call","value":"{\"name\": \"f\", \"arguments\": {\"x\": 1}}"},` +
			`{"from":"observation","value":"7"},{"from":"gpt","value":"A"}]}`,
			`[{"name": "f"}]<system>S</s><user>U</s><assistant>⟦call00000:f{"x": 1}</s>⟧<tool>7 of call00000</s><assistant>⟦A</s>⟧`},
		{"sharegpt, two calls", `{"conversations":[{"from":"human","value":"U"},{"from":"function_call","value":"[{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"g\", \"arguments\": \"{}\"}]"},` +
			`{"from":"observation","value":"7"},{"from":"observation","value":"8"},{"from":"gpt","value":"A","weight":0}]}`,
			`<user>U</s><assistant>⟦call00000:f{}call00001:g{}</s>⟧<tool>7 of call00000</s><tool>8 of call00001</s><assistant>A</s>`},
		{"sharegpt by role", `{"conversations":[{"role":"user","content":"U"},{"role":"assistant","content":"A"}]}`, "<user>U</s><assistant>⟦A</s>⟧"},
		{"end in the data", `{"messages":[{"role":"user","content":"<s>U</s>"},{"role":"assistant","content":"A </s>\n"}]}`, "<user><s>U</s><assistant>⟦A </s>⟧"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ids, labels, err := Encode(byteTokenizer{addBOS: true}, template, mustCollect(t, instruct(t, c.data), Train)[0], 0)
			if err != nil {
				t.Fatal(err)
			}
			got, _, _ := strings.Cut(Format(byteTokenizer{}, ids, labels), "\n")
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	for _, c := range []struct{ name, data, want string }{
		{"image", `{"messages":[{"role":"user","content":[{"type":"image_url"}]},{"role":"assistant","content":"A"}]}`, "d.jsonl:1: message 1 has a part of type image_url"},
		{"no content", `{"messages":[{"role":"user","content":"U"},{"role":"assistant","contents":"A","name":null}]}`, "d.jsonl:1: message 2 has no content; it has role, contents"},
		{"null alone", `{"messages":[{"role":"user","content":null},{"role":"assistant","content":"A"}]}`, "d.jsonl:1: message 1 has no content; it has role"},
		{"misspelt role", `{"messages":[{"role":"user","content":"U"},{"role":"asistant","content":"A"}]}`, `d.jsonl:1: message 2 has the role "asistant"; did you mean "assistant"?`},
		{"role in capitals", `{"messages":[{"role":"System","content":"U"},{"role":"assistant","content":"A"}]}`, `d.jsonl:1: message 1 has the role "System"; did you mean "system"?`},
		{"role", `{"messages":[{"role":"user","content":"U"},{"role":"Assistant","content":"A"}]}`, `d.jsonl:1: message 2 has the role "Assistant"; want "assistant"`},
		{"call", `{"conversations":[{"from":"human","value":"U"},{"from":"function_call","value":"f(1)"}]}`, "d.jsonl:1: conversation, turn 2: from is function_call, but value is not the JSON"},
		{"call's name", `{"conversations":[{"from":"human","value":"U"},{"from":"function_call","value":"{}"}]}`, "d.jsonl:1: conversation, turn 2: from is function_call, but value has no name"},
		{"value", `{"conversations":[{"from":"human","value":1}]}`, "d.jsonl:1: conversation, turn 1: from is human, but value is no text"},
		{"two systems", `{"system":"S","messages":[{"role":"system","content":"T"},{"role":"assistant","content":"A"}]}`, "d.jsonl:1: field \"system\" and a first message"},
		{"tools", `{"tools":"f","messages":[{"role":"assistant","content":"A"}]}`, "d.jsonl:1: field \"tools\" is not a list of functions"},
		{"documents", `{"documents":"f","messages":[{"role":"assistant","content":"A"}]}`, "d.jsonl:1: field \"documents\" is not a list of objects"},
		{"variables", `{"chat_template_kwargs":[1],"messages":[{"role":"assistant","content":"A"}]}`, "d.jsonl:1: field \"chat_template_kwargs\" is an array, want an object"},
		{"completion", `{"prompt":[{"role":"user","content":"U"}],"completion":[{"role":"user","content":"A"}]}`, "d.jsonl:1: field \"completion\" has no message of role assistant"},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			_, err := collect(t, instruct(t, c.data), Train)
			wantError(t, err, c.want)
		})
	}
}

// TestAlpacaRounds: a system prompt stands in the preamble's place, and earlier rounds before the question, each with the
// end of the sequence.
func TestAlpacaRounds(t *testing.T) {
	task := instruct(t, `{"instruction":"I","input":"X","output":"O","system":"S","history":[["a","b"],["c","d"]]}`)
	ex := mustCollect(t, task, Train)[0]
	const round = "### Instruction:\n"
	want := "S\n\n" + round + "a\n\n### Response:⟦b</s>⟧\n\n" + round + "c\n\n### Response:⟦d</s>⟧\n\n" + round + "I\n\n### Input:\nX\n\n### Response:⟦O</s>⟧"
	ids, labels, err := Encode(byteTokenizer{}, nil, ex, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := Format(byteTokenizer{}, ids, labels); !strings.HasPrefix(got, want+"\n") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	prompt, err := EncodePrompt(byteTokenizer{}, nil, ex)
	if err != nil {
		t.Fatal(err)
	}
	want = strings.NewReplacer("⟦", "", "⟧", "", "O</s>", "").Replace(want)
	if got := (byteTokenizer{}).Decode(prompt, false); got != want {
		t.Errorf("prompt is %q, want %q", got, want)
	}
	for _, data := range []string{`{"instruction":"I","output":"O","history":[["a"]]}`, `{"instruction":"I","output":"O","history":"a"}`} {
		_, err := collect(t, instruct(t, data), Train)
		wantError(t, err, `d.jsonl:1: field "history" is not a list of pairs`)
	}
	for _, data := range []string{`{"instruction":"I","output":"O","history":[],"system":""}`, `{"instruction":"I","output":"O","history":null,"system":null}`} {
		if ex := mustCollect(t, instruct(t, data), Train)[0]; ex.Prompt != alpacaPrompt("I", "") || len(ex.Segments) != 2 {
			t.Errorf("%s: got %+v", data, ex.Segments)
		}
	}
}

// TestUnusedFields: what says something of a record and is not used is noted once, by its name.
func TestUnusedFields(t *testing.T) {
	plain, err := chat.ParseTemplate("{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}")
	if err != nil {
		t.Fatal(err)
	}
	const turns = `"messages":[{"role":"user","content":"U"},{"role":"assistant","content":"A"}]`
	for _, c := range []struct{ name, data, want string }{
		{"none", `{` + turns + `,"id":1,"source":"x","num_turns":2,"conversation_id":"y","tools":[],"system":null}`, ""},
		{"record", `{` + turns + `,"images":["a.png"],"rejected":"B"}` + "\n" + `{` + turns + `,"images":["b.png"]}`, "images:1 rejected:1"},
		{"second record", `{` + turns + `}` + "\n" + `{` + turns + `,"mask":[0]}`, "mask:2"},
		{"tools", `{` + turns + `,"tools":[{"type":"function","function":{"name":"f"}}]}`, "tools:1"},
		{"tools, called", `{"tools":[{"name":"f"}],"messages":[{"role":"user","content":"U of f"},{"role":"assistant","content":"f"}]}`, "tools:1"},
		{"message", `{"messages":[{"role":"user","content":"U","speaker":"Ann","tool_call_id":"x"},{"role":"assistant","content":"A","reasoning":"R","loss":false,"train":true,"tool_calls":[{"function":{"name":"f"}}]}]}`,
			"speaker:1 reasoning:1 loss:1 tool_calls:1"},
		{"alpaca", `{"instruction":"I","output":"O","images":["a.png"],"input":"","history":[]}`, "images:1"},
		{"prompt", `{"prompt":"I","completion":"O","system":"S","category":"x"}`, "system:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, counts, err := EncodeAll(byteTokenizer{}, plain, instruct(t, c.data), Train, 0)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			if counts.Notes != nil {
				for _, u := range counts.Notes.Unused {
					got = append(got, u.Name+u.Source[strings.LastIndex(u.Source, ":"):])
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestRemarks: what is odd in the data is remarked on once, with the number of its records.
func TestRemarks(t *testing.T) {
	template, err := chat.ParseTemplate(chatML)
	if err != nil {
		t.Fatal(err)
	}
	const user, ok = `{"role":"user","content":"U"}`, `{"role":"assistant","content":"A"}`
	for _, c := range []struct{ name, data, want string }{
		{"none", `{"messages":[` + user + `,` + ok + `]}`, ""},
		{"empty", `{"messages":[` + user + `,` + ok + `]}` + "\n" + strings.Repeat(`{"messages":[`+user+`,{"role":"assistant","content":" "}]}`+"\n", 2), emptyAnswer + " 2 d.jsonl:2"},
		{"empty and not learned", `{"messages":[` + user + `,{"role":"assistant","content":"","weight":0},` + user + `,` + ok + `]}`, ""},
		{"calls alone", `{"messages":[` + user + `,{"role":"assistant","content":"","tool_calls":[{"id":"a","function":{"name":"f","arguments":{}}}]}]}`, ""},
		{"both", `{"messages":[` + user + `,{"role":"assistant","content":"A","weight":0,"train":true},` + user + `,` + ok + `]}`, contradiction + " 1 d.jsonl:1"},
		{"end", `{"messages":[` + user + `,{"role":"assistant","content":"A</s>"}]}`, doubleToken + " 1 d.jsonl:1"},
		{"end of the parts", `{"messages":[` + user + `,{"role":"assistant","content":[{"type":"text","text":"A</s>"}]}]}`, doubleToken + " 1 d.jsonl:1"},
		{"response", `{"prompt":"P","response":""}` + "\n" + `{"prompt":"P","response":"R</s>"}`, emptyAnswer + " 1 d.jsonl:1, " + doubleToken + " 1 d.jsonl:2"},
		{"start of the response", `{"prompt":"P","response":" <s>R"}`, doubleToken + " 1 d.jsonl:1"},
		{"earlier answers", `{"instruction":"U","output":"A","history":[["U","A</s>"]]}`, doubleToken + " 1 d.jsonl:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, counts, err := EncodeAll(byteTokenizer{addBOS: true}, template, instruct(t, c.data), Train, 0)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			if counts.Notes != nil {
				for _, r := range counts.Notes.Remarks {
					got = append(got, fmt.Sprint(r.Text, " ", r.Records, " ", filepath.Base(r.Source)))
				}
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestContentForTemplates: a message without a content has an empty one where the template needs one.
func TestContentForTemplates(t *testing.T) {
	adds, err := chat.ParseTemplate("{% for m in messages %}{{ '<' + m.role + '>' + m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name }}{% endfor %}{{ eos_token }}{% endfor %}")
	if err != nil {
		t.Fatal(err)
	}
	ex := mustCollect(t, instruct(t, `{"messages":[{"role":"user","content":"U"},{"role":"assistant","content":null,"tool_calls":[{"id":"a","function":{"name":"f","arguments":{}}}]}]}`), Train)[0]
	ids, labels, err := Encode(byteTokenizer{}, adds, ex, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, _ := strings.Cut(Format(byteTokenizer{}, ids, labels), "\n"); got != "<user>U</s>⟦<assistant>f</s>⟧" {
		t.Errorf("got %s", got)
	}
}

// TestEnds counts the tokens in which turns end.
func TestEnds(t *testing.T) {
	const data = `{"messages":[{"role":"user","content":"U"},{"role":"assistant","content":"A"},{"role":"user","content":"V"},{"role":"assistant","content":"B"}]}`
	for template, want := range map[string]string{
		"{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}":                                  `{"257":2}`,
		"{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}":                                      `{"65":1,"66":1}`,
		"{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% else %}</s>{% endif %}":                          `{"257":1,"65":1}`,
		"{% for m in messages %}<{{ m.role }}>{% generation %}{{ m.content }}{% endgeneration %}</s>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}": `{"65":1,"66":1,"85":1,"86":1}`,
	} {
		c, err := chat.ParseTemplate(template)
		if err != nil {
			t.Fatal(err)
		}
		_, counts, err := EncodeAll(byteTokenizer{}, c, instruct(t, data), Train, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(counts.Notes.Ends); err != nil || string(got) != want {
			t.Errorf("%s: got %s (%v), want %s", template, got, err, want)
		}
	}
}
