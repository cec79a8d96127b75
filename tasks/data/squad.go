package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
)

// SQuADQuestion is a record that ReadSQuAD makes: a question, and the text that it is about unless that is Record.Context. Answers is the
// JSON of a list of {"text", "answer_start"}, or as the Hub's data sets have it of an object with the lists "text" and "answer_start".
type SQuADQuestion struct {
	Context      *string         `json:"context,omitempty"`
	Question     *string         `json:"question"`
	Answers      json.RawMessage `json:"answers,omitempty"`
	IsImpossible bool            `json:"is_impossible"`
}

// ReadSQuAD is the Format of SQuAD's JSON, versions 1.1 and 2.0: {"data": [{"paragraphs": [{"context", "qas"}]}]}, and of
// SQuAD as the Hub's data sets have it, a question a record {"context", "question", "answers"}: JSON Lines, a JSON array or
// {"data": […]}. Each question is a record, see SQuADQuestion.
func ReadSQuAD(name string, r *bufio.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if ahead, _ := r.Peek(r.Size()); isFlat(ahead) {
			ReadJSON(name, r)(yield)
			return
		}
		data, err := readWhole(name, r, 1)
		if err == nil && isFlat(data) { // the first question is longer than what is ahead
			ReadJSON(name, bufio.NewReader(bytes.NewReader(data)))(yield)
			return
		}
		inOnePiece(func() ([]Record, error) {
			if err != nil {
				return nil, err
			}
			return readArticles(name, data)
		})(yield)
	}
}

// readArticles reads the questions of SQuAD's tree of articles.
func readArticles(name string, data []byte) ([]Record, error) {
	s := squad{name: name, data: data}
	if err := s.read(); err != nil {
		return nil, err
	}
	if len(s.records) == 0 {
		return nil, fmt.Errorf("%s has no question", name)
	}
	return s.records, nil
}

// isFlat reports whether the file's first object is a question with its context, and not SQuAD's tree of articles.
func isFlat(data []byte) bool {
	data = bytes.TrimLeft(data, "[ \t\r\n")
	var first Object
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&first); err != nil {
		return false
	}
	return !first.Has("data") && !first.Has("version") && !first.Has("paragraphs")
}

// squad is a file that ReadSQuAD is reading.
type squad struct {
	name    string
	data    []byte
	records []Record
	line    int // the line of byte at, 0 before the first call of lineOf
	at      int
}

// lineOf is the line of a byte. It is quick where each call asks for a later byte than the one before.
func (s *squad) lineOf(at int) int {
	if at < s.at || s.line == 0 {
		s.line, s.at = 1, 0
	}
	s.line += bytes.Count(s.data[s.at:min(at, len(s.data))], []byte("\n"))
	s.at = min(at, len(s.data))
	return s.line
}

// errorf is an error at a byte of the file.
func (s *squad) errorf(at int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", s.name, s.lineOf(at), fmt.Errorf(format, args...))
}

// read goes through articles, paragraphs and questions.
func (s *squad) read() error {
	if !json.Valid(s.data) {
		err := json.Unmarshal(s.data, new(json.RawMessage))
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return s.errorf(int(syntax.Offset)-1, "not valid JSON: %w", err)
		}
		return s.errorf(0, "%w", err)
	}
	start := bytes.IndexFunc(s.data, func(r rune) bool { return r != ' ' && r != '\n' && r != '\t' && r != '\r' })
	return s.each(start, s.data[start:], "data", func(at int, article []byte) error {
		if isFlat(article) {
			s.records = append(s.records, Record{Line: s.lineOf(at), Raw: article})
			return nil
		}
		return s.each(at, article, "paragraphs", func(at int, p []byte) error {
			var context struct {
				Context *string `json:"context"`
			}
			if err := json.Unmarshal(p, &context); err != nil || context.Context == nil {
				return s.errorf(at, `field "context" of the paragraph is missing, or is not a string`)
			}
			return s.each(at, p, "qas", func(at int, q []byte) error { return s.question(at, q, context.Context) })
		})
	})
}

// each calls f with the elements of a list. The list is a field of the object, which begins at byte at.
func (s *squad) each(at int, object []byte, field string, f func(at int, element []byte) error) error {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return s.errorf(at, `this is %s, want an object with the field %q`, TypeName(object), field)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return s.errorf(at, "%w", err)
		}
		if key != field {
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return s.errorf(at, "%w", err)
			}
			continue
		}
		if t, err := d.Token(); err != nil || t != json.Delim('[') {
			return s.errorf(at+int(d.InputOffset())-1, "field %q is not a list", field)
		}
		for d.More() {
			var element json.RawMessage
			if err := d.Decode(&element); err != nil {
				return s.errorf(at, "%w", err)
			}
			if err := f(at+int(d.InputOffset())-len(element), element); err != nil {
				return err
			}
		}
		return nil
	}
	return s.errorf(at, "field %q is missing", field)
}

// question adds a question about the text of its paragraph.
func (s *squad) question(at int, raw []byte, context *string) error {
	var q SQuADQuestion
	if err := json.Unmarshal(raw, &q); err != nil {
		return s.errorf(at, "this is not a question of SQuAD: %w", err)
	}
	q.Context = nil
	own, err := json.Marshal(q)
	if err != nil {
		return s.errorf(at, "%w", err)
	}
	s.records = append(s.records, Record{Line: s.lineOf(at), Raw: own, Context: context})
	return nil
}
