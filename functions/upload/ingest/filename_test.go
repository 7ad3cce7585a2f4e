package ingest

import "testing"

// Filenames as clients write them. The names in parentheses are those of the clients.
func TestFilenameIn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, disposition, want string }{
		{"plain", `form-data; name="file"; filename="a.png"`, "a.png"},
		{"token", `form-data; name="file"; filename=a.png`, "a.png"},
		{"upper case", `FORM-DATA; NAME="file"; FILENAME="a.png"`, "a.png"},
		{"attachment", `attachment; filename="a.png"`, "a.png"},
		{"no type", `filename="a.png"`, "a.png"},
		{"no type, unquoted", `filename=a b.png`, "a b.png"},
		{"unquoted, with a space", `form-data; name="file"; filename=a b.png`, "a b.png"},
		{"RFC 5987 (urllib3)", `form-data; filename*=UTF-8''%E2%98%83.png`, "☃.png"},
		{"RFC 5987 and a fallback (.NET)", `form-data; filename="?.png"; filename*=UTF-8''%E2%98%83.png`, "☃.png"},
		{"RFC 5987 before the fallback", `form-data; filename*=UTF-8''%E2%98%83.png; filename="?.png"`, "☃.png"},
		{"RFC 5987, language", `form-data; filename*=UTF-8'en'%E2%98%83.png`, "☃.png"},
		{"RFC 5987, ISO-8859-1", `form-data; filename*=ISO-8859-1''%E4.png`, "ä.png"},
		{"RFC 5987, Windows-1251", `form-data; filename*=windows-1251''%F4%EE%F2%EE.png`, "фото.png"},
		{"RFC 5987, GBK", `form-data; filename*=gbk''%D5%D5%C6%AC.png`, "照片.png"},
		{"RFC 5987, utf8", `form-data; filename*=utf8''%E2%98%83.png`, "☃.png"},
		{"RFC 5987, unencoded", `form-data; filename*=UTF-8''a b.png`, "a b.png"},
		{"RFC 5987, raw UTF-8", `form-data; filename*=UTF-8''☃.png`, "☃.png"},
		{"RFC 5987, quoted", `form-data; filename*="UTF-8''%E2%98%83.png"`, "☃.png"},
		{"RFC 5987, no charset", `form-data; filename*=%E2%98%83.png`, "☃.png"},
		{"RFC 5987, lone percent", `form-data; filename*=UTF-8''100%.png`, "100%.png"},
		{"RFC 5987, not UTF-8", `form-data; filename*=UTF-8''%E4.png`, "_.png"},
		{"RFC 5987, unknown charset", `form-data; filename*=klingon''%E2%98%83.png`, "☃.png"},
		{"RFC 5987, unknown charset, fallback", `form-data; filename*=klingon''%41.png; filename="b.png"`, "b.png"},
		{"RFC 5987, apostrophes", `form-data; filename*=UTF-8''it's%20'me'.png`, "it's 'me'.png"},
		{"RFC 2231 continuations", `form-data; filename*0="a "; filename*1="b.png"`, "a b.png"},
		{"RFC 2231 continuations, encoded", `form-data; filename*0*=UTF-8''%E2; filename*1*=%98%83; filename*2=a`, "☃a"},
		{"RFC 2231 continuations, percent", `form-data; filename*0="100%41"; filename*1=".png"`, "100%41.png"},
		{"RFC 2231 continuations, out of order", `form-data; filename*1="b.png"; filename*0="a"`, "ab.png"},
		{"RFC 2231 continuations and a fallback", `form-data; filename="x"; filename*0*=UTF-8''%E2; filename*1*=%98%83`, "☃"},
		{"encoded word, base64 (PowerShell, Spring)", `form-data; filename="=?utf-8?B?4piDLnBuZw==?="`, "☃.png"},
		{"encoded word, slash in base64", `form-data; filename="=?utf-8?B?5q+O5pel5Lit5Zu9Pz8/LnBuZw==?="`, "毎日中国???.png"},
		{"encoded word, quoted-printable", `form-data; filename="=?UTF-8?Q?=C3=A9t=C3=A9_1.png?="`, "été 1.png"},
		{"encoded word, ISO-8859-1", `form-data; filename="=?iso-8859-1?Q?=E4.png?="`, "ä.png"},
		{"encoded word, ISO-2022-JP", `form-data; filename="=?iso-2022-jp?B?GyRCPEw/PxsoQi5wbmc=?="`, "写真.png"},
		{"encoded words, several", `form-data; filename="=?utf-8?Q?a=E2=98=83?= =?utf-8?Q?b.png?="`, "a☃b.png"},
		{"encoded word, unquoted", `form-data; filename==?utf-8?B?4piDLnBuZw==?=`, "☃.png"},
		{"encoded word, unknown charset", `form-data; filename="=?klingon?B?YQ==?="`, "=?klingon?B?YQ==?="},
		{"encoded word, damaged", `form-data; filename="=?utf-8?B?%%%?="`, "=?utf-8?B?%%%?="},
		{"encoded word and RFC 5987 (.NET)", `form-data; filename="=?utf-8?B?YQ==?="; filename*=utf-8''%E2%98%83`, "☃"},
		{"raw UTF-8", `form-data; filename="фото 写真 📷.png"`, "фото 写真 📷.png"},
		{"raw ISO-8859-1", "form-data; filename=\"\xe4.png\"", "_.png"},
		{"path (Internet Explorer)", `form-data; filename="C:\Users\me\cat.png"`, `C:\Users\me\cat.png`},
		{"escaped quote (curl)", `form-data; filename="a\"b.png"`, `a"b.png`},
		{"unescaped quote (RestSharp)", `form-data; filename="a"b".png"`, `a"b".png`},
		{"percent, plus, hash", `form-data; filename="100% + #1 ?.png"`, "100% + #1 ?.png"},
		{"semicolon", `form-data; filename="a;b.png"`, "a;b.png"},
		{"last semicolon", `form-data; filename="a.png";`, "a.png"},
		{"other parameters", `form-data; filename="a.png"; size=1; creation-date="Wed, 12 Feb 1997 16:29:51 -0500"`, "a.png"},
		{"twice", `form-data; filename="a.png"; filename="b.png"`, "a.png"},
		{"no last quote", `form-data; filename="a.png`, "a.png"},
		{"empty", `form-data; filename=""`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, parameters := splitHeader(test.disposition)
			if got, found := filenameIn(parameters); got != test.want || !found {
				t.Errorf("filenameIn() = %q, %v; want %q", got, found, test.want)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		_, parameters := splitHeader(`form-data; name="file"; name*0="x"`)
		if got, found := filenameIn(parameters); found {
			t.Errorf("filenameIn() = %q, want none", got)
		}
	})
}

func TestFilenameInQuery(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"filename=a%2Bb.png":         "a+b.png",
		"filename=a+b.png":           "a b.png",
		"filename=a%20b.png":         "a b.png",
		"filename=a;b.png":           "a;b.png",
		"filename=100%.png":          "100%.png",
		"filename=100%25.png":        "100%.png",
		"filename=100%2":             "100%2",
		"filename=%zz%41.png":        "%zzA.png",
		"filename=%E4.png":           "_.png",
		"filename=%E2%98%83.png":     "☃.png",
		"filename=☃.png":             "☃.png",
		"filename=a%26b.png":         "a&b.png",
		"filename=a%23b.png":         "a#b.png",
		"filename=a=b.png":           "a=b.png",
		"x=1;y=2&filename=a.png&z=%": "a.png",
		"filename=a&filename=b":      "a",
		"file%6Eame=a.png":           "a.png",
		"Filename=a.png":             "",
		"filename":                   "",
		"":                           "",
	} {
		t.Run(query, func(t *testing.T) {
			if got := filenameInQuery(query); got != want {
				t.Errorf("filenameInQuery() = %q, want %q", got, want)
			}
		})
	}
}
