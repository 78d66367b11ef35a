//! Compares two pictures in the browser, which can decode them.

use serde_json::json;

use super::browser::Browser;

/// The mean colours of squares are compared, not pixels, because another Chromium may smooth the edges of letters
/// differently. The squares overlap by half, so that none of them cuts every change in two. Text that moves by a quarter
/// of a pixel changes a mean by up to 13 of 255, another digit by 38.
const SIDE: u64 = 6;
const TOLERANCE: u64 = 16;

const COMPARE: &str = "
    const [before, after, side, tolerance, done] = arguments;
    const read = async (base64) => {
        const file = await fetch(`data:image/png;base64,${base64}`);
        const picture = await createImageBitmap(await file.blob());
        const context = new OffscreenCanvas(picture.width, picture.height).getContext('2d');
        context.drawImage(picture, 0, 0);
        return context.getImageData(0, 0, picture.width, picture.height);
    };
    const differsAt = (one, other, left, top) => {
        const sums = [0, 0, 0];
        const [right, bottom] = [Math.min(left + side, one.width), Math.min(top + side, one.height)];
        for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) for (const colour of [0, 1, 2]) {
            const at = 4 * (y * one.width + x) + colour;
            sums[colour] += one.data[at] - other.data[at];
        }
        return sums.some((sum) => Math.abs(sum) > tolerance * (right - left) * (bottom - top));
    };
    const compare = async () => {
        const [one, other] = [await read(before), await read(after)];
        const [size, otherSize] = [one, other].map(({ width, height }) => `${width} × ${height}`);
        if (size !== otherSize) return `its size is ${otherSize}, not ${size}`;
        const places = [];
        for (let top = 0; top < one.height; top += side / 2) for (let left = 0; left < one.width; left += side / 2)
            if (differsAt(one, other, left, top)) places.push(`(${left}, ${top})`);
        if (places.length === 0) return null;
        const first = places.slice(0, 5).join(', ');
        return `${places.length} squares of ${side} × ${side} pixels differ, the first at ${first}`;
    };
    compare().then(done, (error) => done(String(error)));
";

impl Browser {
    /// How the second picture (PNG) differs from the first, if a reader could notice it.
    pub async fn difference(&self, before: &[u8], after: &[u8]) -> Option<String> {
        let base64 = |png| json!(data_encoding::BASE64.encode(png));
        // The dashboard's own pages allow no `data:` URL.
        self.goto("about:blank").await;
        let arguments = vec![base64(before), base64(after), json!(SIDE), json!(TOLERANCE)];
        let difference = self.async_script(COMPARE, arguments).await;
        (!difference.is_null()).then(|| difference.as_str().unwrap().to_owned())
    }
}
