// Prints ThumbHashes of the reference implementation, one a line: the width and height of an image, the variant of its
// formula, and the hash in base64. thumbhash.txt is its output.
//
//     npm install thumbhash@0.1.1 && node thumbhash.mjs > thumbhash.txt
import { rgbaToThumbHash } from 'thumbhash'

for (const [width, height] of [[1, 1], [2, 1], [1, 7], [100, 75], [75, 100], [100, 100], [100, 3], [3, 100], [33, 64], [97, 41]]) {
  for (let variant = 0; variant < 6; variant++) {
    const rgba = new Uint8Array(4 * width * height)
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        rgba[i++] = variant === 0 ? 128 : (x * (variant + 2) + y * y) & 255
        rgba[i++] = variant === 1 ? 0 : (x * x + y * (variant + 1)) >> 3 & 255
        rgba[i++] = (x * y + variant * 40) & 255
        rgba[i++] = variant < 3 ? 255 : variant === 3 ? (x * 9 + y * 5) & 255 : variant === 4 ? 0 : x < width / 2 ? 255 : 64
      }
    }
    console.log(width, height, variant, Buffer.from(rgbaToThumbHash(width, height, rgba)).toString('base64'))
  }
}
