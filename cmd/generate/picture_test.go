package main

import (
	"encoding/xml"
	"strings"
	"testing"
)

func TestPictureIsWellFormed(t *testing.T) {
	var svg struct {
		XMLName xml.Name `xml:"http://www.w3.org/2000/svg svg"`
		Title   string   `xml:"title"`
		Desc    string   `xml:"desc"`
	}
	if err := xml.Unmarshal([]byte(picture()), &svg); err != nil {
		t.Fatal(err)
	}
	if svg.Title == "" || svg.Desc == "" {
		t.Error("the picture says nothing to who does not see it")
	}
}

func TestPictureHasBothColourSchemes(t *testing.T) {
	_, dark, _ := strings.Cut(pictureStyle, "prefers-color-scheme: dark")
	for _, class := range []string{"text", ".good", ".bad", "rect", ".core", "path", "marker path"} {
		if !strings.Contains(dark, "    "+class+" {") {
			t.Errorf("%s has no dark colour", class)
		}
	}
}
