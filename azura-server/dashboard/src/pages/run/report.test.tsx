import { cleanup, render as mount } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { reported } from "../../text/turkish";
import { worded } from "./picture";
import { render } from "./report";

afterEach(cleanup);

test("a report is shown with its pictures", () => {
  const { container } = mount(<>{render('<style>p{}</style><main><h1>It</h1><table><thead><tr> <th style="text-align: right">n</th> </tr></thead></table><img src="images/loss.svg" alt="Loss"></main>', "a run")}</>);
  expect(container.querySelector("h1")!.textContent).toBe("It");
  expect(container.querySelector("th")!.className).toBe("num");
  expect(container.querySelector("img")!.getAttribute("src")).toBe("/api/v1/experiments/a%20run/report/images/loss.svg");
  expect(container.textContent).not.toContain("p{}");
});

test.each([
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  '<img src="https://elsewhere.example/x.png">',
  '<img src="images/../../secret">',
  "<iframe src=/></iframe>",
  "<svg><a href='javascript:alert(1)'>x</a></svg>",
  '<a href="javascript:alert(1)">x</a>',
  "<p onclick=alert(1)>x</p>",
  "<form action=/><button>x</button></form>",
])("%s does nothing", html => {
  for (const translate of [undefined, reported]) {
    const { container } = mount(<>{render(html, "id", translate)}</>);
    expect(container.querySelector("script, img, iframe, svg, form, a, [onclick]")).toBeNull();
  }
});

const turkish = (html: string) => mount(<>{render(html, "id", reported)}</>).container;

test("what has signs of ours is shown as it is", () => {
  const html = "<p>2**10 of <code>x</code> and 3**2</p><p>\ue000 <code>y</code></p>";
  expect(turkish(html).innerHTML).toBe(html);
});

test("a paragraph is translated as a whole, in an order of its own", () => {
  const container = turkish("<h1>Forecast of <code>a.b</code></h1><ul><li>Of the inputs <code>x</code> counts most: shuffled, it raises the RMSE by 36.25.</li></ul><p><strong>Better than persistence: the typical error (RMSE) is 33.3 % lower.</strong>\nPersistence knows nothing and says that the next value equals the last one.</p><table><tbody><tr><td>0.5</td><td><code>0.5</code></td></tr></tbody></table>");
  expect(container.querySelector("h1")!.innerHTML).toBe("<code>a.b</code> tahmini");
  expect(container.querySelector("li")!.innerHTML).toBe("Girdilerden en önemlisi <code>x</code>: karıştırıldığında RMSE 36,25 kadar yükseliyor.");
  expect(container.querySelector("p")!.innerHTML).toBe("<strong>Son değer tahmininden iyi: tipik hata (RMSE) %33,3 daha düşük.</strong> Son değer tahmini hiçbir şey bilmez; sonraki değerin sonuncuya eşit olacağını söyler.");
  expect([...container.querySelectorAll("td")].map(cell => cell.textContent)).toEqual(["0,5", "0.5"]);
});

test("what could not be put together again is left as it is", () => {
  expect(turkish("<p>a ** b <code>c</code>\ue000</p>").textContent).toBe("a ** b c\ue000");
  expect(turkish("<li><p>rows</p><p>class</p></li>").textContent).toBe("satırsınıf");
});

test("a picture's words are translated, and nothing else of it", () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><title>Loss by epoch</title><style>text{}</style><text x="1">2 May 2015</text><text>0.5</text><text>a&lt;b &amp;lt; c</text><path d="M1.5 2"/></svg>';
  expect(worded(svg, reported)).toBe(svg.replace("Loss by epoch", "Döneme göre kayıp").replace("0.5", "0,5"));
  const texts = '<text x="1" y="34.0" class="plain">right</text><text x="1" y="9.0" class="plain" text-anchor="end">right</text><text x="1" y="9.0" class="plain">right</text><text x="1" y="9.0" class="faint">right (57 %)</text>';
  expect(worded(texts, reported)).toBe(texts.replace("right", "doğru").replace("57 %", "%57"));
});
