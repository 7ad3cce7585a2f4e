"""fit.py [N]: prints N cases of Pillow's Image.thumbnail rule, one a line: width height, box, result. fit.txt is its output."""
import random
import sys

from PIL import Image


class Resized(Exception):
    pass


def resized(size, *args, **kwargs):
    raise Resized(size)


def thumbnail(size, box):
    image = Image.new("1", (1, 1))
    image._size, image.resize = size, resized  # the rule looks at the size only: no pixels are needed
    try:
        image.thumbnail(box)
    except Resized as result:
        return result.args[0]
    return size


random.seed(200)
sides = [1, 2, 3, 7, 112, 199, 200, 201, 255, 256, 399, 400, 401, 640, 1080, 1920, 3000, 4000, 16383, 65535]
boxes = [(200, 200), (1, 1), (320, 240), (240, 320), (1000, 10)]
cases = [((w, h), box) for box in boxes[:2] for w in sides for h in sides]
while len(cases) < int(sys.argv[1] if len(sys.argv) > 1 else 1500):
    w, h = (round(2 ** random.uniform(0, 16)) for _ in "wh")
    if random.random() < 0.3:  # where rounding is a matter of a hair
        w, h = 200 * random.randint(1, 80), 2 * random.randint(1, 8000) + 1
    box = random.choice(boxes + [(random.randint(1, 2000), random.randint(1, 2000))])
    cases.append(((w, h), box))
for size, box in cases:
    print(*size, *box, *thumbnail(size, box))
