import re
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed


def load(path):
    global words
    with open(path, encoding="utf-8") as file:
        words = set(file.read().split())


def unknown_words(path):
    with open(path, encoding="utf-8") as file:
        found = re.findall(r"[a-z]+", file.read().lower())
    return sum(word not in words for word in found)


if __name__ == "__main__":
    dictionary, *paths = sys.argv[1:]
    with ProcessPoolExecutor(initializer=load, initargs=(dictionary,)) as executor:
        todo = {executor.submit(unknown_words, path): path for path in paths}
        for future in as_completed(todo):
            print(todo[future], future.result())
