package main

import (
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

func generateFormats() (string, error) {
	rows := table{{"format", "MIME types", "file names", "thumbnails in it", "animated thumbnails"}}
	for _, format := range raster.Formats() {
		rows = append(rows, []string{
			format.Name, code(format.MIMETypes...), code(format.Extensions...), yesNo(format.Written), yesNo(format.Animated),
		})
	}
	return rows.String(), nil
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
