package metric

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// metamathNumber is MetaMath's pattern: a sign, and at most one separator among the digits. Python's \d is any decimal
// digit of Unicode.
var metamathNumber = regexp.MustCompile(`[-+]?\p{Nd}*[.,/]?\p{Nd}+`)

// MetaMathEqual is the rule of MetaMath's eval_gsm8k.py (the code, oddities included): the first number behind the last
// "The answer is: ", a fraction divided out, rounded half to even, equals the gold one.
func MetaMathEqual(completion, gold string) bool {
	got, ok := MetaMathAnswer(completion)
	want, err := strconv.ParseFloat(strings.ReplaceAll(gold, ",", ""), 64)
	return ok && err == nil && got == want
}

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

// divide is over/under; over "0", just as MetaMath has it, is over alone.
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
		return 0, false // MetaMath's code ends in an exception here
	}
	v, _ := new(big.Rat).SetFrac(a, b).Float64()
	return v, true
}

// asciiDigit maps decimal digits of other scripts to 0–9.
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

// RawAnswer is the first number behind the last "####", without commas, "" where there is none.
func RawAnswer(completion string) string {
	i := strings.LastIndex(completion, "####")
	if i < 0 {
		return ""
	}
	return strings.ReplaceAll(rawNumber.FindString(completion[i+4:]), ",", "")
}

// RawEqual compares the answer with the gold one, by value.
func RawEqual(completion, gold string) bool {
	got, ok1 := new(big.Rat).SetString(RawAnswer(completion))
	want, ok2 := new(big.Rat).SetString(strings.ReplaceAll(gold, ",", ""))
	return ok1 && ok2 && got.Cmp(want) == 0
}
