package metric

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// metamathNumber is MetaMath's pattern of a number: a sign, and at most one separator among the digits. Python's \d is
// any decimal digit of Unicode.
var metamathNumber = regexp.MustCompile(`[-+]?\p{Nd}*[.,/]?\p{Nd}+`)

// MetaMathEqual is the rule of MetaMath's eval_gsm8k.py, with its oddities: the number of MetaMathAnswer equals the
// gold number.
func MetaMathEqual(completion, gold string) bool {
	got, ok := MetaMathAnswer(completion)
	want, err := strconv.ParseFloat(strings.ReplaceAll(gold, ",", ""), 64)
	return ok && err == nil && got == want
}

// MetaMathAnswer is the final answer that MetaMath's eval_gsm8k.py takes from a completion: the first number after the
// last AnswerMarker, with fractions divided and the result rounded half to even. It is false where there is no such
// number.
func MetaMathAnswer(completion string) (float64, bool) {
	i := strings.LastIndex(completion, AnswerMarker)
	if i < 0 {
		return 0, false
	}
	text := metamathNumber.FindString(completion[i+len(AnswerMarker):])
	if text == "" {
		return 0, false
	}
	text = strings.Map(asciiDigit, strings.ReplaceAll(text, ",", ""))
	v, ok := 0.0, false
	if over, under, fraction := strings.Cut(text, "/"); fraction {
		v, ok = divide(over, under)
	} else {
		var err error
		v, err = strconv.ParseFloat(text, 64)
		ok = err == nil
	}
	return math.RoundToEven(v), ok && !math.IsInf(v, 0)
}

// divide is over/under. As in MetaMath, a fraction over "0" is the numerator alone.
func divide(over, under string) (float64, bool) {
	a, ok := new(big.Int).SetString(over, 10)
	if !ok {
		return 0, false
	}
	b, ok := new(big.Int).SetString(under, 10)
	switch {
	case !ok:
		return 0, false
	case under == "0":
		b.SetInt64(1)
	case b.Sign() == 0:
		return 0, false // MetaMath's code raises an exception here
	}
	v, _ := new(big.Rat).SetFrac(a, b).Float64()
	return v, true
}

// asciiDigit maps the decimal digits of all scripts to 0–9.
func asciiDigit(r rune) rune {
	if r < 0x80 {
		return r
	}
	for _, t := range unicode.Nd.R16 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return '0' + (r-rune(t.Lo))%10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return '0' + (r-rune(t.Lo))%10
		}
	}
	return r
}

var rawNumber = regexp.MustCompile(`[-+]?([0-9][0-9,]*(\.[0-9]+)?|\.[0-9]+)`)

// RawAnswer is the first number after the last "####", as GSM8K marks it, without commas; "" where there is none.
func RawAnswer(completion string) string {
	i := strings.LastIndex(completion, "####")
	if i < 0 {
		return ""
	}
	return strings.ReplaceAll(rawNumber.FindString(completion[i+4:]), ",", "")
}

// RawEqual reports whether the RawAnswer of a completion has the value of the gold number.
func RawEqual(completion, gold string) bool {
	got, ok1 := new(big.Rat).SetString(RawAnswer(completion))
	want, ok2 := new(big.Rat).SetString(strings.ReplaceAll(gold, ",", ""))
	return ok1 && ok2 && got.Cmp(want) == 0
}
